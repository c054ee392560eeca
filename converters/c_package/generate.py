"""From the IR to the files of a package, in memory."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache

import numpy as np

from edgebnn.errors import EdgebnnError, InputError
from edgebnn.graph.execute import check_op
from edgebnn.graph.opdef import op_view
from edgebnn.graph.types import Graph
from edgebnn.kernels import FOLDER
from edgebnn.kernels.cores import Core
from edgebnn.kernels.schedules import LayerSchedule

from .c_text import Tables, c_type, decimal, initializer, string
from .layout import Layout, lay_out
from .lowering import lower
from .names import check_name
from .order import reorder
from .package import Argument, Layer, Package
from .prepare import prepare
from .program import Alias, NamedStep
from .selftest import make_selftest

try:
    from jinja2 import Environment, PackageLoader, StrictUndefined
except ImportError as error:
    raise EdgebnnError(f"C packages need jinja2 ({error}): pip install 'edgebnn[mcu]'") from error

_INCLUDE = re.compile(r'^(\s*#include ")(?:[^"\n]*/)?([^"/\n]+)"', re.MULTILINE)
"""Of files of ours: what comes before the name, a path, the name."""


def generate(graph: Graph, core: Core, name: str, schedules: Sequence[LayerSchedule] = ()) -> Package:
    """The package of a network.

    Args:
        graph: the model, of fixed shapes.
        core: whose kernels it gets.
        name: the prefix of its files and functions, a C identifier.
        schedules: of some ops of ``graph``; the others get the planner's pick.

    Returns:
        Its files, the same every time.

    Raises:
        InputError: ``name`` is no C identifier, or no kernel can follow a schedule.
        UnsupportedOpError: there is no kernel for an op.
    """
    check_name(name)
    return _Generator(reorder(prepare(graph)), core, name, _by_output(graph, schedules)).package


def _by_output(graph: Graph, schedules: Sequence[LayerSchedule]) -> dict[int, LayerSchedule]:
    """By the first output of their ops, as ops are left out and reordered. Raises InputError if there is no such op."""
    for layer in schedules:
        if layer.op >= len(graph.ops):
            raise InputError(f"schedule: there is no op {layer.op} ({layer.name}); the model has {len(graph.ops)}")
    return {graph.ops[layer.op].outputs[0]: layer for layer in schedules}


class _Generator:
    """The parts of one package, each computed once from those before it."""

    def __init__(self, graph: Graph, core: Core, name: str, schedules: Mapping[int, LayerSchedule]) -> None:
        self._graph, self._core, self._name = graph, core, name
        self._schedules = schedules
        self._tables = Tables(f"{name}_t")

    @cached_property
    def package(self) -> Package:
        files = self._files
        return Package(
            name=self._name,
            core=self._core,
            graph=self._graph,
            files=files,
            arena_bytes=self._layout.placement.bytes,
            arena_lower_bound=self._layout.placement.lower_bound,
            constant_bytes=sum(len(table.content) for table in self._tables),
            layers=self._layers,
            roots=self._lowered[1],
            inputs=self._inputs,
            outputs=self._outputs,
        )

    @cached_property
    def _lowered(self) -> tuple[tuple[NamedStep, ...], dict[int, int]]:
        """The steps; and for each tensor that is another's bytes, that tensor."""
        steps: list[NamedStep] = []
        root: dict[int, int] = {}
        waiting = dict(self._schedules)
        for index, op in enumerate(self._graph.ops):
            view = op_view(self._graph, index)
            check_op(self._graph, view)
            lowered = lower(view, self._core, waiting.pop(op.outputs[0], None))
            if isinstance(lowered, Alias):
                source = op.inputs[lowered.input]
                root[op.outputs[0]] = root.get(source, source)
                continue
            passed = tuple(op.inputs[position] for position in lowered.inputs)
            steps.append(NamedStep(index, view, lowered, passed, op.outputs))
        for layer in waiting.values():
            raise InputError(f"schedule: op {layer.op} ({layer.name}) is not computed; take the layer out of the file")
        return tuple(steps), root

    def _root(self, tensor: int) -> int:
        return self._lowered[1].get(tensor, tensor)

    @cached_property
    def _steps(self) -> tuple[NamedStep, ...]:
        return self._lowered[0]

    @cached_property
    def _inputs(self) -> tuple[Argument, ...]:
        return self._arguments(self._graph.inputs, "input")

    @cached_property
    def _outputs(self) -> tuple[Argument, ...]:
        return self._arguments(self._graph.outputs, "output")

    def _arguments(self, tensors: Sequence[int], role: str) -> tuple[Argument, ...]:
        only = len(tensors) == 1
        return tuple(
            Argument(role if only else f"{role}_{i}", self._graph.tensors[t], t) for i, t in enumerate(tensors)
        )

    @cached_property
    def _written_by_steps(self) -> dict[int, str]:
        """C expressions of tensors in the caller's memory: the inputs, and outputs that a step computes."""
        found = {argument.index: argument.name for argument in self._inputs}
        made = {t for step in self._steps for t in step.outputs}
        for argument in self._outputs:
            root = self._root(argument.index)
            if root in made and root not in found:
                found[root] = argument.name
        return found

    @cached_property
    def _copies(self) -> tuple[tuple[Argument, str], ...]:
        """Outputs that are an input, a constant or another output: the argument, and what is copied to it."""
        return tuple(
            (argument, self._pointer(self._root(argument.index), len(self._steps)))
            for argument in self._outputs
            if self._written_by_steps.get(self._root(argument.index)) != argument.name and argument.tensor.elements
        )

    @cached_property
    def _layout(self) -> Layout:
        return lay_out(self._graph, self._steps, self._lowered[1], self._written_by_steps.keys())

    def _pointer(self, tensor: int, step: int) -> str:
        """The C expression of a tensor's place when ``step`` runs."""
        found = self._graph.tensors[tensor]
        if found.data is not None:
            return self._tables.name_of(found.data, "constant")
        if tensor in self._written_by_steps:
            return self._written_by_steps[tensor]
        return f"({c_type(found.dtype.numpy)} *)(void *)({self._name}_arena + {self._layout.offset(tensor, step)})"

    @cached_property
    def _calls(self) -> tuple[str, ...]:
        calls, arena = [], f"{self._name}_arena"
        for position, step in enumerate(self._steps):
            inputs = [self._pointer(self._root(t), position) for t in step.inputs]
            outputs = [self._pointer(t, position) for t in step.outputs]
            if step.step.arrays:
                inputs = [f"(const void *const[]){{{', '.join(inputs)}}}"]
                outputs = [f"(void *const[]){{{', '.join(outputs)}}}"]
            arguments = [f"&layer_{position}", *inputs, *outputs]
            if step.step.scratch_bytes:
                arguments.append(f"{arena} + {self._layout.scratch[position]}")
            call = f"{step.step.function}({', '.join(arguments)});"
            moves = [
                f"eb_move_bytes({arena} + {move.destination}, {arena} + {move.source}, {move.bytes}u);"
                for move in self._layout.moves
                if move.after == position
            ]
            calls.append("\n  ".join([call, *moves]))
        return tuple(calls)

    @property
    def _signature(self) -> str:
        """The parameters of the C function."""
        inputs = [f"const {argument.type} *{argument.name}" for argument in self._inputs]
        return ", ".join([*inputs, *(f"{argument.type} *{argument.name}" for argument in self._outputs)])

    @property
    def _alignment(self) -> str:
        """A C expression that is 0 where all arguments are aligned."""
        arguments = (*self._inputs, *self._outputs)
        return " | ".join(f"((uintptr_t){a.name} & {max(a.tensor.dtype.bytes, 4) - 1}u)" for a in arguments)

    @cached_property
    def _structs(self) -> tuple[str, ...]:
        return tuple(
            f"static const {step.step.layer.type} layer_{i} = "
            f"{initializer(step.step.layer, self._tables, f'layer_{i}')};"
            for i, step in enumerate(self._steps)
        )

    @cached_property
    def _layers(self) -> tuple[Layer, ...]:
        return tuple(
            Layer(
                op=step.op,
                kind=step.view.op.kind,
                name=step.view.name,
                function=step.step.function,
                outputs=tuple((t, self._offset_after(t, i)) for t in step.outputs),
                weight_bytes=_bytes_of(step.step.layer) + self._constant_bytes(step),
                scratch_bytes=step.step.scratch_bytes,
            )
            for i, step in enumerate(self._steps)
        )

    def _constant_bytes(self, step: NamedStep) -> int:
        """Of the inputs that are passed to it, those in flash."""
        return sum(self._graph.tensors[t].bytes for t in step.inputs if self._graph.tensors[t].is_constant)

    def _offset_after(self, tensor: int, step: int) -> int | None:
        return self._layout.offset(tensor, step + 1) if tensor in self._layout.offsets else None

    @cached_property
    def _files(self) -> Mapping[str, str]:
        template = environment()
        selftest = make_selftest(self._graph, self._steps, (self._inputs, self._outputs), self._tables, self._name)
        own = {"core/crc32.c"} | ({"core/move_bytes.c"} if self._layout.moves else set())
        sources = with_headers(own | {path for step in self._steps for path in (*step.step.sources, step.step.header)})
        structs, calls, copies = self._structs, self._calls, self._copies  # which fill the tables
        headers = {step.step.header for step in self._steps} | {path[:-1] + "h" for path in own}
        context = {
            "name": self._name,
            "NAME": self._name.upper(),
            "core": self._core,
            "graph": self._graph,
            "inputs": self._inputs,
            "outputs": self._outputs,
            "headers": sorted({path.rpartition("/")[2] for path in headers}),
            "structs": structs,
            "layers": self._layers,
            "calls": calls,
            "copies": copies,
            "arena_bytes": self._layout.placement.bytes,
            "selftest": selftest,
            "signature": self._signature,
            "alignment": self._alignment,
            "tables": tuple(self._tables),
            "zeroed": tuple(self._tables.zeroed),
            "prepared": [f"{s.step.prepare}(&layer_{i})" for i, s in enumerate(self._steps) if s.step.prepare],
        }
        files = {f"{self._name}.{end}": template.get_template(f"model.{end}.j2").render(context) for end in ("h", "c")}
        for path in sources:
            files[path.rpartition("/")[2]] = _INCLUDE.sub(r'\1\2"', (FOLDER / path).read_text(encoding="utf-8"))
        return dict(sorted(files.items()))


def _bytes_of(value: object) -> int:
    """Bytes of all arrays of a layer."""
    fields = getattr(value, "fields", {})
    return sum(v.nbytes if isinstance(v, np.ndarray) else _bytes_of(v) for v in fields.values())


def with_headers(paths: set[str]) -> tuple[str, ...]:
    """The files below ``edgebnn/kernels`` and those that they include, which lie beside them or in ``core``."""
    found: set[str] = set()
    waiting = sorted(paths)
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.add(path)
        room = path.partition("/")[0]
        for _, name in _INCLUDE.findall((FOLDER / path).read_text(encoding="utf-8")):
            waiting.append(f"{room}/{name}" if (FOLDER / room / name).is_file() else f"core/{name}")
    return tuple(sorted(found))


@lru_cache
def environment() -> Environment:
    """Templates that fail where a name is missing."""
    environment = Environment(
        loader=PackageLoader("edgebnn.converters.c_package"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # C, not HTML
    )
    environment.filters |= {"c_string": string, "c_float": decimal, "crc32": zlib.crc32}
    return environment
