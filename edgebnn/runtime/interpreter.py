"""The TFLite interpreter with LCE's binary ops: LiteRT's own, plus our delegate."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from edgebnn.errors import EdgebnnError, InputError, ModelFormatError, RuntimeMismatchError, UnsupportedOpError
from edgebnn.kernels.schedules import Schedule

from .litert import Interpreter as LiteRTInterpreter
from .litert import OpResolverType
from .plugin import FewChannels, PackInt8, Plugin, load_plugin
from .profile import NodeInfo, Profile, measure
from .source import ModelSource, open_model

_UNRESOLVED = "unresolved custom op: "


class Interpreter(LiteRTInterpreter):  # type: ignore[misc]
    """``tf.lite.Interpreter`` with the ops of Larq Compute Engine working.

    It takes every argument of the installed LiteRT's interpreter (``model_path``, ``model_content``,
    ``experimental_delegates``, ``num_threads``, ``experimental_op_resolver_type``, ...) and four of its own. Delegates
    given are applied after ours. Like LiteRT's it keeps a state (of LSTM cells, of variables) from one invoke to the
    next, does not look at what a batch means, and is for one thread of one process: :func:`edgebnn.load` sees to that.

    Args:
        kernels: the name of one convolution kernel to use for all; default: what EDGEBNN_KERNELS names, else the best
            for this processor.
        pack_int8: which layers of a standard int8 file with two-valued weights run with 1-bit weights in memory: "auto"
            (those that gain by it here), "all" or "none"; default: what EDGEBNN_PACK_INT8 says, else "auto".
        schedule: how single layers are to be computed; the others are as without one.
        few_channels: which convolutions of at most four input channels run on our kernels: "auto" (those that gain by
            it here), "all" or "none"; default: what EDGEBNN_FEW_CHANNELS says, else "auto".

    Raises, where LiteRT would raise or crash on a bad model:
        ModelFormatError: the file is truncated, corrupt or inconsistent.
        UnsupportedOpError: the model holds an op that neither LiteRT nor edgebnn has.
        RuntimeMismatchError: the installed LiteRT lays out its structs in a way that edgebnn does not know.
        InputError: there is no such file, or it cannot be read.
        BuildError: the delegate cannot be compiled here.

    Attributes:
        inexact: of an interpreter on reference kernels, the ops that have none and run on others.
    """

    inexact: tuple[str, ...] = ()

    def __init__(
        self,
        model_path: str | os.PathLike[str] | None = None,
        model_content: bytes | None = None,
        experimental_delegates: Sequence[Any] | None = None,
        *args: Any,
        kernels: str | None = None,
        pack_int8: PackInt8 | None = None,
        schedule: Schedule | None = None,
        few_channels: FewChannels | None = None,
        **options: Any,
    ) -> None:
        if (model_path is None) == (model_content is None):
            raise ValueError("one of model_path and model_content must be given")
        self.source = open_model(model_path if model_path is not None else bytes(model_content or b""))
        exact = options.get("experimental_op_resolver_type", args[1] if len(args) > 1 else None)
        preserve_all = bool(options.get("experimental_preserve_all_tensors", len(args) > 2 and args[2]))
        if schedule is not None and any(entry.subgraph for entry, _ in self.source.entries):
            raise InputError(f"{self.source.name}: has several graphs, whose ops a schedule cannot tell apart")
        self._plugin = load_plugin(
            kernels,
            pack_int8,
            keep_tensors=preserve_all,
            exact=exact == OpResolverType.BUILTIN_REF,
            schedule=schedule,
            few_channels=few_channels,
        )
        delegates = [self._plugin.litert, *(experimental_delegates or ())]
        self._told = ""
        path = None if model_path is None else os.fspath(model_path)
        try:
            super().__init__(path, model_content, delegates, *args, **options)
        except (RuntimeError, ValueError) as error:
            raise _explained(self._news(error), self.source, self._plugin) from None

    def allocate_tensors(self) -> None:
        self._plugin.forget_refusal()
        try:
            super().allocate_tensors()
        except RuntimeError as error:
            raise _explained(self._news(error), self.source, self._plugin) from None

    def invoke(self) -> None:
        try:
            LiteRTInterpreter.invoke(self)  # by name: super() takes as long as a small layer
        except RuntimeError as error:
            raise RuntimeError(self._news(error)) from None

    def _news(self, error: Exception) -> str:
        """What LiteRT says of an error: it repeats, in front, all that it has said of earlier ones."""
        before, self._told = self._told, str(error)
        return " ".join(self._told.removeprefix(before).split())

    def profile(self, repeats: int = 30) -> Profile:
        """Where the time of ``invoke()`` goes, measured on the inputs that are set.

        Args:
            repeats: inferences timed.

        Returns:
            Milliseconds by op and in all.
        """
        return measure(self.invoke, self._plugin, self.nodes(), repeats)

    def nodes(self) -> list[NodeInfo]:
        """The ops of the file; those that LiteRT puts in for delegates come after them."""
        names = {detail["index"]: detail["name"] for detail in self.get_tensor_details()}
        return [
            NodeInfo(
                index=detail["index"],
                op=detail["op_name"],
                name=names.get(int(detail["outputs"][0]), "") if len(detail["outputs"]) else "",
                inputs=tuple(int(tensor) for tensor in detail["inputs"]),
                outputs=tuple(int(tensor) for tensor in detail["outputs"]),
            )
            for detail in self._get_ops_details()
            if detail["op_name"] != "DELEGATE"
        ]


def _explained(text: str, source: ModelSource, plugin: Plugin) -> EdgebnnError:
    """What went wrong in LiteRT or in the delegate, as one line that names the file."""
    if plugin.mismatch:
        return RuntimeMismatchError(plugin.refusal)
    if plugin.refusal:
        return ModelFormatError(f"{source.name}: {plugin.refusal}")
    unresolved = next((op for op, _ in source.custom_ops if f"{_UNRESOLVED}{op}" in text), None)
    if unresolved is not None:
        return UnsupportedOpError(source.unsupported_op(unresolved))
    return ModelFormatError(f"{source.name}: LiteRT refuses the model: {text}")
