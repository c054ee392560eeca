"""The compiled delegate as Python sees it: LiteRT's handle on it, and what it tells besides (refusals, times)."""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from edgebnn.errors import BuildError, InputError
from edgebnn.kernels.schedules import Schedule

from .kernel_choice import check, choose, explain, read_table, read_tables
from .library import find

PackInt8 = Literal["auto", "all", "none"]
"""Which layers of a standard int8 file with two-valued weights run with 1-bit weights: those that gain by it on this
processor, all, or none."""

FewChannels = Literal["auto", "all", "none"]
"""Which convolutions of at most four input channels run on our kernels: those that gain by it on this processor, all,
or none."""

PACK_INT8_VARIABLE = "EDGEBNN_PACK_INT8"
FEW_CHANNELS_VARIABLE = "EDGEBNN_FEW_CHANNELS"

LITERT_DELEGATE = Any
"""``ai_edge_litert.interpreter.Delegate``: LiteRT ships no types."""


@dataclass(frozen=True)
class OpTime:
    """When one of our ops ran in the last profiled invoke. ``node`` is its index in the file, ``partition`` that of the
    first op that ran in the same node of the interpreter; times are those of time.perf_counter_ns; ``kernel`` is empty
    for ops that have only one; ``joined`` are the indices of the ops that were done with it."""

    node: int
    partition: int
    op: str
    name: str
    kernel: str
    begin_ns: int
    end_ns: int
    joined: tuple[int, ...] = ()


class _OpTime(ctypes.Structure):
    _fields_ = (
        ("node", ctypes.c_int),
        ("partition", ctypes.c_int),
        ("joined_count", ctypes.c_int),
        ("joined", ctypes.POINTER(ctypes.c_int)),
        ("op", ctypes.c_char_p),
        ("name", ctypes.c_char_p),
        ("kernel", ctypes.c_char_p),
        ("begin_ns", ctypes.c_int64),
        ("end_ns", ctypes.c_int64),
    )


@lru_cache
def _functions(path: Path) -> ctypes.CDLL:
    functions = ctypes.CDLL(str(path))
    functions.edgebnn_delegate_message.argtypes = [ctypes.c_void_p]
    functions.edgebnn_delegate_message.restype = ctypes.c_char_p
    functions.edgebnn_delegate_forget.argtypes = [ctypes.c_void_p]
    functions.edgebnn_delegate_forget.restype = None
    functions.edgebnn_delegate_mismatch.argtypes = [ctypes.c_void_p]
    functions.edgebnn_delegate_mismatch.restype = ctypes.c_int
    functions.edgebnn_profile_enable.argtypes = [ctypes.c_void_p, ctypes.c_int]
    functions.edgebnn_profile_enable.restype = None
    functions.edgebnn_profile_read.argtypes = [ctypes.c_void_p, ctypes.POINTER(_OpTime), ctypes.c_int]
    functions.edgebnn_profile_read.restype = ctypes.c_int
    return functions


@dataclass(frozen=True)
class Plugin:
    """A delegate made for one interpreter."""

    litert: LITERT_DELEGATE
    functions: ctypes.CDLL

    @property
    def _pointer(self) -> int:
        return int(self.litert._get_native_delegate_pointer())

    @property
    def refusal(self) -> str:
        """Why the delegate last refused a model, empty if it did not."""
        message: bytes = self.functions.edgebnn_delegate_message(self._pointer)
        return message.decode("utf-8", "replace")

    @property
    def mismatch(self) -> bool:
        """Whether the refusal was of the interpreter's memory layout."""
        return bool(self.functions.edgebnn_delegate_mismatch(self._pointer))

    def forget_refusal(self) -> None:
        """Before an attempt that may fail for a reason of LiteRT's own."""
        self.functions.edgebnn_delegate_forget(self._pointer)

    def enable_profiling(self, on: bool) -> None:
        self.functions.edgebnn_profile_enable(self._pointer, int(on))

    def op_times(self) -> tuple[OpTime, ...]:
        """The ops of the last profiled invoke, in the order in which they ran."""
        count = self.functions.edgebnn_profile_read(self._pointer, None, 0)
        times = (_OpTime * count)()
        self.functions.edgebnn_profile_read(self._pointer, times, count)
        read = [
            OpTime(
                node=t.node,
                partition=t.partition,
                op=t.op.decode(),
                name=t.name.decode("utf-8", "replace"),
                kernel=t.kernel.decode(),
                begin_ns=t.begin_ns,
                end_ns=t.end_ns,
                joined=tuple(t.joined[: t.joined_count]),
            )
            for t in times
        ]
        return tuple(sorted(read, key=lambda t: t.begin_ns))


def load_plugin(
    kernels: str | None = None,
    pack_int8: PackInt8 | None = None,
    keep_tensors: bool = False,
    exact: bool = False,
    schedule: Schedule | None = None,
    few_channels: FewChannels | None = None,
) -> Plugin:
    """Loads the delegate into LiteRT.

    Args:
        kernels: the name of one convolution kernel to use for all; default: what EDGEBNN_KERNELS names, else by
            processor.
        pack_int8: which int8 layers with two-valued weights run packed; default: EDGEBNN_PACK_INT8, else "auto".
        keep_tensors: no two ops become one, and the tensors between them keep their values.
        exact: no op is taken over that does not give the bits of LiteRT's reference kernels.
        schedule: how single layers are to be computed.
        few_channels: which convolutions of few input channels run on our kernels; default: EDGEBNN_FEW_CHANNELS, else
            "auto".

    Returns:
        A delegate for one interpreter.

    Raises:
        BuildError: the library cannot be compiled or loaded.
        InputError: there is no such kernel, or this processor lacks its instructions; or no such ``pack_int8``
            or ``few_channels``.
    """
    from .litert import load_delegate

    path = find().path
    choice = choose(kernels)
    try:
        if choice.name is not None:
            check(choice, read_tables(path))
        options = {
            "log": 0,
            "pack_int8": pack_int8 or os.environ.get(PACK_INT8_VARIABLE) or "auto",
            "surroundings": "1",
            "few_channels": few_channels or os.environ.get(FEW_CHANNELS_VARIABLE) or "auto",
            "keep_tensors": int(keep_tensors),
            "exact": int(exact),
            **({"kernels": choice.name} if choice.name else {}),
            **({"schedule": schedule.text} if schedule is not None else {}),
        }
        functions = _functions(path)
        litert = load_delegate(str(path), options)
    except ValueError as error:
        raise InputError(str(error).splitlines()[-1]) from None
    except (OSError, AttributeError) as error:
        raise BuildError(f"{path}: not a loadable edgebnn delegate ({error})") from None
    return Plugin(litert, functions)


def which_kernel(operation: str = "bconv2d") -> str:
    """The kernel that runs where none is named.

    Args:
        operation: ``bconv2d`` (binary convolutions) or ``w1a8``.

    Returns:
        One line: which, and why.

    Raises:
        BuildError, InputError: as :func:`load_plugin` does.
    """
    path = find().path
    try:
        choice = choose(None)
        check(choice, read_tables(path))
        return explain(choice, read_table(path, operation))
    except (OSError, AttributeError) as error:
        raise BuildError(f"{path}: not a loadable edgebnn delegate ({error})") from None
