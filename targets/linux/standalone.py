"""Models on devices without Python: the C package of a network as one static program, compiled here by zig.

The program needs no library and no glibc, and runs on one thread. It computes what the reference executor computes, so
an exact session is no other than a fast one; its profile has every op by itself.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import struct
import tempfile
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np

from edgebnn.converters.c_package.generate import generate
from edgebnn.converters.c_package.package import Package
from edgebnn.errors import EdgebnnError, InputError
from edgebnn.files import cache_folder, trim
from edgebnn.graph.shapes import open_sizes
from edgebnn.graph.types import Array, Graph, Shape, Tensor
from edgebnn.kernels.cores import HOSTS, PORTABLE, Core
from edgebnn.runtime import build
from edgebnn.runtime.profile import INTERPRETER, Kind, OpProfile, Profile, middle_half
from edgebnn.runtime.timing import PairedTimes, Times
from edgebnn.targets.model_file import ModelFile, Session

from . import by_hand_facts, wire
from .client import skip_to
from .device import Channel, DeviceError

NAME = "network"
SERVE = "--serve"
"""What a program is started with that is to answer a caller's frames."""
_HERE = Path(__file__).parent
_RUNNER = tuple(_HERE / name for name in ("runner.c", "by_hand.c", "by_hand_files.c", "by_hand_pictures.c"))
_HEADERS = (_HERE / "by_hand.h",)
_FLAGS = ("-O2", "-ffp-contract=off", "-std=gnu11")
_INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)
KEPT_BYTES = 512 << 20
"""Of programs in the cache, and of objects that several are linked from: those not used for longest go first."""
_NS_PER_MS = 1e6
_MOST_KB = 1 << 40

Result = TypeVar("Result")


@dataclass(frozen=True)
class Machine:
    """What programs for a kind of processor are compiled with: zig's target and flags, and the package's core."""

    zig_target: str
    core: Core
    flags: tuple[str, ...] = ()


MACHINES: Mapping[str, Machine] = {
    "x86_64": Machine("x86_64-linux-musl", HOSTS["linux-x86_64"]),
    "aarch64": Machine("aarch64-linux-musl", HOSTS["linux-aarch64"]),
    "armv7l": Machine("arm-linux-musleabihf", PORTABLE),
    "armv6l": Machine("arm-linux-musleabihf", PORTABLE, ("-mcpu=arm1176jzf_s",)),
}
"""By the processor's name. Packages have kernels with NEON for AArch64 alone."""


class Host(Protocol):
    """What a session asks of its target."""

    kind: Kind

    def until_back(self, work: Callable[[], Result], mend: Callable[[], object] = ...) -> Result:
        """What ``work`` gives, done again where the device is lost meanwhile. Raises ConnectionLostError."""

    def launch(self, model: str, program: bytes) -> Channel:
        """Starts a program on the device, put there if it is not there yet. Raises DeviceError."""


def program(
    package: Package, processor: str, main: Sequence[Path] = _RUNNER, link_flags: Sequence[str] = ("-s",)
) -> Path:
    """The package as a program for a kind of processor, compiled if it is not in the cache.

    Args:
        package: of the network.
        processor: of :data:`MACHINES`.
        main: what the program does with the network, in C; by default it answers a caller, and whoever starts it.
        link_flags: beside those that the processor needs.

    Raises:
        BuildError: there is no compiler for it.
    """
    machine, files = MACHINES[processor], sources(package, main)
    compiler, flags = build.zig_compiler(machine.zig_target), (*_FLAGS, *machine.flags)
    path = _kept((sorted(files.items()), compiler, flags, link_flags))
    if not _was_used(path):
        with tempfile.TemporaryDirectory(prefix="edgebnn-") as name:
            for file, text in files.items():
                Path(name, file).write_text(text, encoding="utf-8")
            own, objects = _to_compile(package, files, Path(name), (compiler, flags))
            flags = (*flags, f"-I{name}")
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                made = [
                    pool.submit(build.compile_object, made, source, compiler, flags)
                    for made, source in objects.items()
                    if not _was_used(made)
                ]
                for one in made:
                    one.result()
            build.compile(path, own, compiler, flags, ("-static", *link_flags, *machine.flags, *map(str, objects)))
        trim((file for file in path.parent.iterdir() if file.is_file()), KEPT_BYTES)
    return path


def _to_compile(
    package: Package, files: Mapping[str, str], folder: Path, how: object
) -> tuple[list[build.Source], dict[Path, build.Source]]:
    """The C files that know the network; and the others, the same for many networks, by where their objects are kept.

    Args:
        package: of the network.
        files: of the program, as they lie in ``folder``.
        folder: where they lie.
        how: what they are compiled with.
    """
    own, objects = list[build.Source](), dict[Path, build.Source]()
    for file in files:
        if not file.endswith(".c") or file == f"{package.name}.c":
            continue
        source = build.Source(folder / file, tuple(package.c_flags.get(file, "").split()))
        read = _with_includes(file, files)
        if f"{package.name}.h" in read:
            own.append(source)
        else:
            objects[_kept((file, sorted(read.items()), how, source.flags)).with_suffix(".o")] = source
    return own, objects


def _kept(made_of: object) -> Path:
    """Where in the cache something lies that is made of this."""
    return cache_folder() / "programs" / hashlib.sha256(repr(made_of).encode()).hexdigest()[:32]


def _was_used(path: Path) -> bool:
    """Whether a file is in the cache, which it then stays in for longer."""
    try:
        os.utime(path)
    except OSError:  # not there; or not ours, and then nobody trims it
        return path.is_file()
    return True


def _with_includes(name: str, files: Mapping[str, str]) -> dict[str, str]:
    """A file and all that it includes, of those that a program is made of."""
    found: dict[str, str] = {}
    waiting = [name]
    while waiting:
        file = waiting.pop()
        if file in files and file not in found:
            found[file] = files[file]
            waiting += _INCLUDE.findall(files[file])
    return found


def sources(package: Package, main: Sequence[Path] = _RUNNER) -> dict[str, str]:
    """The files of a program by name; the package's own C file is included by another.

    Args:
        package: of the network.
        main: what the program does with it, in C.
    """
    files = {**package.files, **{path.name: path.read_text(encoding="utf-8") for path in (*main, *_HEADERS)}}
    return files | {"network_io.h": _interface(package), "network_shown.c": _shown(package)}


def built(model: ModelFile, graph: Graph, processor: str) -> bytes:
    """A model as a program for a kind of processor.

    Args:
        model: the file.
        graph: it, for inputs of one size.
        processor: of :data:`MACHINES`.

    Raises:
        EdgebnnError: its ops have no C, or there is no compiler.
    """
    return program(package_of(model, graph, processor), processor).read_bytes()


def package_of(model: ModelFile, graph: Graph, processor: str) -> Package:
    """The C package of ``graph``, which is of ``model``. Raises EdgebnnError where there can be none."""
    core = MACHINES[processor].core
    try:
        return generate(graph, core, NAME, model.schedules_on(core.name))
    except EdgebnnError as error:
        prefixed = str(error) if str(error).startswith(model.name) else f"{model.name}: {error}"
        raise type(error)(f"{prefixed}. A stand-alone program has no LiteRT that runs the file itself") from None


def places(graph: Graph, package: Package) -> list[int]:
    """Which op of ``graph`` each layer of its package is."""
    found = {tensor: index for index, op in enumerate(graph.ops) for tensor in op.outputs}
    return [found[layer.outputs[0][0]] for layer in package.layers]


def as_bytes(package: Package, inputs: Sequence[Array]) -> bytes:
    """Inputs as a program reads them."""
    expected = [argument.tensor for argument in package.inputs]
    arrays = [np.ascontiguousarray(v, t.dtype.numpy).reshape(t.shape) for v, t in zip(inputs, expected, strict=True)]
    return b"".join(array.tobytes() for array in arrays)


class PackageSession(Session):
    """A model whose C package runs on a device: for inputs of each size that the file leaves open, one of its own."""

    def __init__(self, host: Host, model: ModelFile, processor: str, *, threads: int, trace: bool) -> None:
        if threads != 1:
            raise InputError(
                f"{model.name}: programs for devices without Python run on one thread; leave --threads at 1"
            )
        self._host, self._model, self._processor, self._traced = host, model, processor, trace
        self._running: dict[tuple[Shape, ...], _Running] = {}
        if not open_sizes(model.graph):  # which else the inputs tell
            self._prepare(model.graph)

    def run(self, inputs: Sequence[Array]) -> tuple[Array, ...]:
        return self._at(inputs).run(inputs)

    def trace(self, inputs: Sequence[Array]) -> dict[int, Array]:
        if not self._traced:
            raise ValueError("open the session with trace=True")
        return self._at(inputs).trace(inputs)

    def profile(self, inputs: Sequence[Array], repeats: int) -> Profile:
        """The cost of every op."""
        running = self._at(inputs)
        moments = running.moments(inputs, repeats)
        spans = np.diff(moments, axis=1).astype(np.float64) / _NS_PER_MS
        chosen = spans[middle_half(spans.sum(axis=1))].mean(axis=0)
        total = float(chosen.sum())
        where = places(self._model.graph_for(inputs), running.package)
        ops = [
            OpProfile(place, layer.kind, layer.name, value, value / total, layer.function, (place,))
            for layer, place, value in zip(running.package.layers, where, map(float, chosen[1:-1]), strict=True)
        ]
        around = float(chosen[0] + chosen[-1])
        ops.append(OpProfile(-1, INTERPRETER, "around the layers", around, around / total))
        return Profile(self._host.kind, "ms", total, tuple(ops))

    def times(self, inputs: Sequence[Array], repeats: int) -> Times:
        return Times(self._at(inputs).times(inputs, repeats))

    def times_against(
        self, inputs: Sequence[Array], other: Session, other_inputs: Sequence[Array], repeats: int
    ) -> PairedTimes:
        if not isinstance(other, PackageSession):
            raise ValueError("only programs on the same device can be timed in turn")
        ours: list[float] = []
        theirs: list[float] = []
        for repeat in range(repeats):
            turns = [(ours, self, inputs), (theirs, other, other_inputs)]
            for times, session, values in turns if repeat % 2 == 0 else reversed(turns):
                times += session.times(values, 1).samples_ms
        return PairedTimes(Times(tuple(ours)), Times(tuple(theirs)))

    @property
    def peak_memory_bytes(self) -> int | None:
        """The most memory that a program of the model has had at a time, up to its last answer; None if none says.

        Under an emulator, what that takes is in it.
        """
        return max((running.peak_memory_bytes for running in self._running.values()), default=0) or None

    def _at(self, inputs: Sequence[Array]) -> _Running:
        shapes = tuple(values.shape for values in inputs)
        return self._running.get(shapes) or self._prepare(self._model.graph_for(inputs))

    def _prepare(self, graph: Graph) -> _Running:
        running = _Running(package_of(self._model, graph, self._processor), self._launch, self._host)
        self._running[tuple(graph.tensors[index].shape for index in graph.inputs)] = running
        return running

    def _launch(self, package: Package) -> Channel:
        return self._host.launch(self._model.name, program(package, self._processor).read_bytes())


class _Running:
    """A program on a device, started anew where the connection drops. ``peak_memory_bytes``: 0 until it says."""

    def __init__(self, package: Package, launch: Callable[[Package], Channel], host: Host) -> None:
        self.package = package
        self.peak_memory_bytes = 0
        self._launch = launch
        self._host = host
        host.until_back(self._start)

    def run(self, inputs: Sequence[Array]) -> tuple[Array, ...]:
        return self._checked(self._ask("R", 1, inputs), [argument.tensor for argument in self.package.outputs])

    def trace(self, inputs: Sequence[Array]) -> dict[int, Array]:
        """Every tensor that a layer left in the arena, its aliases, and the outputs."""
        tensors = self.package.graph.tensors
        shown = _in_arena(self.package)
        wanted = [tensors[index] for _, index, _ in shown] + [argument.tensor for argument in self.package.outputs]
        values = self._checked(self._ask("T", 1, inputs), wanted)
        indices = [index for _, index, _ in shown] + [argument.index for argument in self.package.outputs]
        found = dict(zip(self.package.graph.inputs, inputs, strict=True)) | dict(zip(indices, values, strict=True))
        for alias, root in self.package.roots.items():
            if root in found and alias not in found:
                found[alias] = found[root].reshape(tensors[alias].shape)
        return found

    def moments(self, inputs: Sequence[Array], repeats: int) -> Array:
        """For each timed inference, in nanoseconds: its begin, those of the layers and the last one's end, its end."""
        answer = self._ask("P", repeats, inputs)
        shape = (repeats, len(self.package.layers) + 3)
        if len(answer) != 1 or answer[0].dtype != np.int64 or answer[0].shape != shape:
            raise DeviceError("the device's answer holds no times")
        if (np.diff(answer[0], axis=1) < 0).any() or not (answer[0][:, -1] > answer[0][:, 0]).all():
            raise DeviceError("the device's clock runs backwards")
        return answer[0]

    def times(self, inputs: Sequence[Array], repeats: int) -> tuple[float, ...]:
        """Milliseconds of whole inferences."""
        moments = self.moments(inputs, repeats)
        return tuple(float(time) / _NS_PER_MS for time in moments[:, -1] - moments[:, 0])

    def _checked(self, values: Sequence[Array], wanted: Sequence[Tensor]) -> tuple[Array, ...]:
        kinds = [(value.dtype, value.shape) for value in values]
        if kinds != [(tensor.dtype.numpy, tensor.shape) for tensor in wanted]:
            raise DeviceError("the device answers with other tensors than the model has")
        return tuple(values)

    def _ask(self, request: str, repeats: int, inputs: Sequence[Array]) -> tuple[Array, ...]:
        frame = struct.pack("<cI", request.encode(), repeats) + as_bytes(self.package, inputs)
        return self._host.until_back(lambda: self._exchange(frame), self._start)

    def _exchange(self, frame: bytes) -> tuple[Array, ...]:
        self._channel.send(frame)
        while True:
            header, arrays = wire.decode(self._channel.receive)
            if header.get("alive") is not True:
                self.peak_memory_bytes = max(self.peak_memory_bytes, _bytes_of(header.get("peak_memory_kb")))
                return arrays

    def _start(self) -> None:
        self._channel = self._launch(self.package)
        weakref.finalize(self, self._channel.close)
        greet(self._channel)


def greet(channel: Channel) -> None:
    """Waits until a program that was started answers. Raises DeviceError where it does not, and ends it."""
    try:
        skip_to(wire.GREETING, channel)
        hello, _ = wire.decode(channel.receive)
        if hello.get("protocol") != wire.VERSION:
            raise DeviceError("the program on the device is another edgebnn's")
    except BaseException:
        channel.close()
        raise


def _bytes_of(kb: object) -> int:
    """What a program says that it has had at most; 0 where that is no such number."""
    return kb * 1024 if type(kb) is int and 0 < kb < _MOST_KB else 0


def _in_arena(package: Package) -> list[tuple[int, int, int]]:
    """Layer, tensor and offset of everything that layers leave in the arena."""
    return [
        (number, index, offset)
        for number, layer in enumerate(package.layers)
        for index, offset in layer.outputs
        if offset is not None
    ]


def _header(tensors: Sequence[Tensor]) -> str:
    """The header of a frame with these arrays, as a C string."""
    arrays = [{"dtype": tensor.dtype.numpy.name, "shape": list(tensor.shape)} for tensor in tensors]
    return json.dumps(json.dumps({"arrays": arrays}))


def _interface(package: Package) -> str:
    """network_io.h."""
    tensors = package.graph.tensors
    inputs, outputs = ([a.tensor for a in side] for side in (package.inputs, package.outputs))
    shown = [tensors[index] for _, index, _ in _in_arena(package)]
    return "\n".join(
        (
            f'#include "{package.name}.h"',
            f"#define NETWORK_INPUT_BYTES {sum(t.bytes for t in inputs)}u",
            f"#define NETWORK_OUTPUT_BYTES {sum(t.bytes for t in outputs)}u",
            f"#define NETWORK_SHOWN_BYTES {sum(t.bytes for t in shown)}u",
            f"#define NETWORK_HELLO {json.dumps(json.dumps({'protocol': wire.VERSION, 'arrays': []}))}",
            f"#define NETWORK_OUTPUTS {_header(outputs)}",
            f"#define NETWORK_SHOWN {_header([*shown, *outputs])}",
            "int network_call(const uint8_t *inputs, uint8_t *outputs);",
            "void network_show(int layer, uint8_t *shown);",
            "int network_serve(void);",
            *by_hand_facts.lines(package.graph),
            "",
        )
    )


def _shown(package: Package) -> str:
    """The network with a function that calls it, and one that sees its arena."""
    lines, to = [], 0
    for number, index, offset in _in_arena(package):
        size = package.graph.tensors[index].bytes
        lines.append(f"  if (layer == {number}) memcpy(shown + {to}, {package.name}_arena + {offset}, {size}u);")
        to += size
    return "\n".join(
        (
            *('#include "network_io.h"', f'#include "{package.name}.c"', "#include <string.h>"),
            *_call(package),
            "void network_show(int layer, uint8_t *shown) {",
            *("  (void)layer, (void)shown;", *lines, "}", ""),
        )
    )


def _call(package: Package) -> Iterator[str]:
    """The network on inputs and outputs that lie one behind the other. Those that the call would find at an odd address
    are copied to where they can be read."""
    arguments: list[str] = []
    copied_in: list[str] = []
    copied_out: list[str] = []
    yield "int network_call(const uint8_t *inputs, uint8_t *outputs) {"
    for side, arrays in (("inputs", package.inputs), ("outputs", package.outputs)):
        offset = 0
        for argument in arrays:
            tensor, const = argument.tensor, "const " if side == "inputs" else ""
            if offset % max(tensor.dtype.bytes, 4):
                name = f"aligned_{len(arguments)}"
                yield f"  static {argument.type} {name}[{max(tensor.elements, 1)}] __attribute__((aligned(16)));"
                if side == "inputs":
                    copied_in.append(f"  memcpy({name}, inputs + {offset}, {tensor.bytes}u);")
                else:
                    copied_out.append(f"  memcpy(outputs + {offset}, {name}, {tensor.bytes}u);")
                arguments.append(name)
            else:
                arguments.append(f"({const}{argument.type} *)({const}void *)({side} + {offset})")
            offset += tensor.bytes
    yield from ("  (void)inputs, (void)outputs;", *copied_in)
    yield f"  const int failed = {package.name}_invoke({', '.join(arguments)});"
    yield from (*copied_out, "  return failed;", "}")
