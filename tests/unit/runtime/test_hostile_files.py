"""Bad model files end in one clear error, and never in a crash of the process."""

from __future__ import annotations

import struct
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

import edgebnn
from edgebnn import machine
from edgebnn.converters.read_tflite import read
from edgebnn.converters.write_tflite import to_bytes
from edgebnn.errors import EdgebnnError, InputError, ModelFormatError, UnsupportedOpError
from edgebnn.graph.batches import run_all
from edgebnn.graph.execute import trace
from edgebnn.graph.ops import OPS
from edgebnn.graph.ops.activation import SoftmaxOptions
from edgebnn.graph.ops.elementwise import SubOptions
from edgebnn.graph.ops.shape_ops import ConcatenationOptions
from edgebnn.graph.ops.view import NoOptions
from edgebnn.graph.types import ABSENT, DType, Graph, Op, Signature, Tensor
from edgebnn.runtime.interpreter import Interpreter
from edgebnn.runtime.model import load
from edgebnn.targets.inputs import run_reference
from edgebnn.targets.model_file import open_model
from tests.support.graphs import chain, constant, one_op, per_tensor, tensor
from tests.support.topologies import lce_bytes

ROOT = Path(__file__).parents[3]
COUNT = 70


@pytest.mark.parametrize("seed", range(3))
def test_damaged_files_never_crash_the_process(seed: int) -> None:
    command = [sys.executable, "-m", "tests.support.load_damaged", str(seed), str(COUNT)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    last = result.stdout.splitlines()[-1] if result.stdout else ""
    assert result.returncode == 0, f"ended with {result.returncode} at '{last}': {result.stderr[-800:]}"
    assert result.stdout.count("refused") > COUNT
    assert result.stdout.count("loaded") > 5


def test_damaged_int8_files_give_the_same_packed_as_not() -> None:
    """Layers with two-valued weights, run packed, refuse what LiteRT refuses, and never crash."""
    command = [sys.executable, "-m", "tests.support.run_damaged_int8", "1", str(COUNT)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    last = result.stdout.splitlines()[-1] if result.stdout else ""
    assert result.returncode == 0, f"ended with {result.returncode} at '{last}': {result.stderr[-800:]}"
    assert "different" not in result.stdout
    assert result.stdout.count("refused") > COUNT
    assert result.stdout.count("equal") > COUNT


@pytest.mark.parametrize("shared", ["vector", "table"])
def test_files_that_name_the_same_data_without_end_are_refused_in_time(shared: str) -> None:
    builder = flatbuffers.Builder(1 << 20)
    shape = builder.CreateNumpyVector(np.ones(100_000, np.int32))
    tensors = []
    for _ in range(5_000 if shared == "vector" else 1):
        schema.TensorStart(builder)
        schema.TensorAddShape(builder, shape)
        tensors.append(schema.TensorEnd(builder))
    tensors *= 5_000 // len(tensors)
    schema.SubGraphStartTensorsVector(builder, len(tensors))
    for table in tensors:
        builder.PrependUOffsetTRelative(table)
    vector = builder.EndVector()
    schema.SubGraphStart(builder)
    schema.SubGraphAddTensors(builder, vector)
    graph = schema.SubGraphEnd(builder)
    schema.ModelStartSubgraphsVector(builder, 1)
    builder.PrependUOffsetTRelative(graph)
    graphs = builder.EndVector()
    schema.ModelStart(builder)
    schema.ModelAddVersion(builder, 3)
    schema.ModelAddSubgraphs(builder, graphs)
    builder.Finish(schema.ModelEnd(builder), b"TFL3")
    started = time.monotonic()
    for reader in (load, read):
        with pytest.raises(ModelFormatError, match="more data than the file holds"):
            reader(bytes(builder.Output()))
    assert time.monotonic() - started < 20


def test_tables_that_share_one_large_layout_are_read_in_time() -> None:
    """A vtable names all fields that a table could have; a hostile one has 32,000, for thousands of tables."""
    count, fields = 20_000, 32_000
    vtable = np.zeros(2 + fields, "<u2").tobytes()
    vtable = struct.pack("<HH", len(vtable), 4) + vtable[4:]
    table = struct.pack("<i", 0)  # of no fields: nothing but the way to the vtable
    head = struct.pack("<I4s", 0, b"TFL3")
    model_vtable = struct.pack("<HHHHH", 10, 12, 4, 0, 8)
    at = len(head) + len(vtable)
    model = at + len(model_vtable) + 2
    model_table = struct.pack("<iII", model - at, 3, 4)
    vector = model + len(model_table)
    tables = vector + 4 + 4 * count
    offsets = tables + 4 * np.arange(count) - (vector + 4 + 4 * np.arange(count))
    back = tables + 4 * np.arange(count) - len(head)
    content = bytearray(head + vtable + model_vtable + b"\0\0" + model_table + struct.pack("<I", count))
    content += offsets.astype("<u4").tobytes() + back.astype("<i4").tobytes() + table
    content[:4] = struct.pack("<I", model)
    started = time.monotonic()
    with pytest.raises(ModelFormatError):
        load(bytes(content))
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    ("kind", "scales", "message"),
    [
        ("GREATER", (1.0, 0.5, None), "compares tensors whose scale is 1"),
        ("SUB", (0.5, 0.25, 3e38), "no kernel computes with"),
        ("QUANTIZE", (None, 1e-40), "no kernel computes with"),
        ("SQUARED_DIFFERENCE", (0.5, 1e5, 1.0), "too far from its inputs' squares"),
        ("SOFTMAX", (1e-20, 1 / 256), "below its resolution"),
    ],
)
def test_scales_that_end_litert_are_refused(
    kind: str, scales: tuple[float | None, ...], message: str, tmp_path: Path
) -> None:
    def scaled(number: int, scale: float | None) -> Tensor:
        dtype = DType.BOOL if kind == "GREATER" and number == 2 else DType.INT8 if scale else DType.FLOAT32
        return tensor(f"t{number}", (1, 4), dtype, per_tensor(scale, -128) if scale else None)

    tensors = [scaled(number, scale) for number, scale in enumerate(scales)]
    options = {"SUB": SubOptions(), "SOFTMAX": SoftmaxOptions(1.0)}.get(kind, NoOptions())
    content = to_bytes(one_op(kind, options, tensors[:-1], tensors[-1:]))
    with pytest.raises(ModelFormatError, match=message):
        load(content)
    (tmp_path / "given.tflite").write_bytes(content)
    with pytest.raises(ModelFormatError, match=f"{message}.*; the file would not run, and is not written"):
        edgebnn.convert(tmp_path / "given.tflite", tmp_path / "out.tflite", "lce")
    assert [path.name for path in tmp_path.iterdir()] == ["given.tflite"]


@pytest.mark.parametrize("kind", ["STRIDED_SLICE", "BATCH_MATMUL", "RELU"])
def test_ops_without_the_inputs_that_they_need_are_refused(kind: str) -> None:
    graph = one_op("RELU", NoOptions(), [tensor("x", (1, 4))], [tensor("y", ())])
    few = () if kind == "RELU" else graph.inputs
    ops = (replace(graph.ops[0], kind=kind, inputs=few, options=OPS[kind].options()),)
    content = to_bytes(replace(graph, ops=ops))
    with pytest.raises(ModelFormatError, match=f"layer 'y' has {len(few)} inputs, too few for {kind}"):
        load(content)
    with pytest.raises(ModelFormatError, match=f"layer 'y' .op 0, {kind}. has {len(few)} inputs, too few"):
        read(content)


@pytest.mark.parametrize("kind", ["LESS", "GREATER_EQUAL"])
def test_comparisons_without_scales_are_refused(kind: str) -> None:
    inputs = [tensor(name, (1, 4), DType.INT8) for name in "ab"]
    with pytest.raises(ModelFormatError, match="without one, which LiteRT cannot"):
        load(to_bytes(one_op(kind, NoOptions(), inputs, [tensor("y", (), DType.BOOL)])))


def test_every_truncation_is_refused() -> None:
    content = lce_bytes("residual_int8")
    for size in range(0, len(content) - 1, len(content) // 60):
        with pytest.raises(ModelFormatError, match="model_content: not a"):
            load(content[:size])


def test_a_missing_file_a_folder_and_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing\.tflite: cannot be read \(No such file"):
        load(tmp_path / "nothing.tflite")
    with pytest.raises(InputError, match="cannot be read"):
        load(tmp_path)
    empty = tmp_path / "empty.tflite"
    empty.touch()
    with pytest.raises(ModelFormatError, match=r"empty\.tflite: not a \.tflite file \(it is empty\)"):
        load(empty)
    text = tmp_path / "text.tflite"
    text.write_text("a text of some length, but no model")
    with pytest.raises(ModelFormatError, match="identifier is not TFL3"):
        load(text)


def test_an_unknown_custom_op_is_named_with_its_layer_and_what_is_supported() -> None:
    content = lce_bytes("packed_chain").replace(b"LceBMaxPool2d", b"LceBMinPool2d")
    with pytest.raises(UnsupportedOpError) as refusal:
        load(content)
    assert "model_content: layer '" in str(refusal.value)
    assert "'LceBMinPool2d'" in str(refusal.value)
    assert "LceBMaxPool2d" in str(refusal.value)
    with pytest.raises(UnsupportedOpError):
        Interpreter(model_content=content).allocate_tensors()


def changed(change: Callable[[Graph], Graph], topology: str = "residual_int8") -> bytes:
    return to_bytes(change(read(lce_bytes(topology))))


def with_op(graph: Graph, kind: str, **fields: object) -> Graph:
    number = next(i for i, op in enumerate(graph.ops) if op.kind == kind)
    ops = list(graph.ops)
    ops[number] = replace(ops[number], **fields)  # type: ignore[arg-type]
    return replace(graph, ops=tuple(ops))


def without_scales(graph: Graph) -> Graph:
    return replace(graph, tensors=tuple(replace(tensor, quantization=None) for tensor in graph.tensors))


REFUSED: dict[str, tuple[Callable[[Graph], Graph], str]] = {
    "a signature that names an inner tensor": (
        lambda g: replace(g, signatures=(Signature("main", (("x", g.inputs[0]),), (("y", g.ops[0].outputs[0]),)),)),
        "signature 'main' names tensor .* which is no output of its graph",
    ),
    "a signature that gives an inner tensor a value": (
        lambda g: replace(g, signatures=(Signature("main", (("x", g.ops[0].outputs[0]),), ()),)),
        "signature 'main' names tensor .* which is no input of its graph",
    ),
    "an absent input of ADD": (lambda g: with_op(g, "ADD", inputs=(ABSENT, 0)), "lacks an input or output"),
    "a tensor that is not there": (lambda g: with_op(g, "ADD", inputs=(0, 1000)), "has index 1000"),
    "a tensor read before it is written": (
        lambda g: with_op(g, "ADD", inputs=g.outputs * 2),
        "before it is written",
    ),
    "an output that is a constant": (
        lambda g: with_op(g, "ADD", outputs=(next(i for i, t in enumerate(g.tensors) if t.is_constant),)),
        "writes to an input or a constant",
    ),
    "an input that is a constant": (
        lambda g: replace(g, inputs=(next(i for i, t in enumerate(g.tensors) if t.is_constant),)),
        "input '.*' is a constant",
    ),
    "int8 without scales": (without_scales, "has no scale"),
    "a convolution without a filter": (
        lambda g: with_op(g, "LceBconv2d", inputs=(g.ops[2].inputs[0], ABSENT, ABSENT, ABSENT, ABSENT)),
        "filter",
    ),
    "a convolution with two inputs": (lambda g: with_op(g, "LceBconv2d", inputs=(0, 1)), "has 2 inputs, expected 5"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_inconsistent_models_are_refused(what: str) -> None:
    change, message = REFUSED[what]
    with pytest.raises(EdgebnnError, match=message) as refusal:
        load(changed(change))
    assert str(refusal.value).startswith("model_content: ")
    assert "\n" not in str(refusal.value)


def test_a_computed_filter_is_refused_by_name() -> None:
    """LiteRT would run such a model; the delegate packs its weights once, at the start."""

    def move_filter(graph: Graph) -> Graph:
        conv = next(op for op in graph.ops if op.kind == "LceBconv2d")
        return with_op(graph, "LceBconv2d", inputs=(conv.inputs[0], conv.inputs[0], *conv.inputs[2:]))

    with pytest.raises(ModelFormatError, match=r"LceBconv2d '.*': its filter '.*' must be a constant"):
        load(changed(move_filter))


def test_tensors_beyond_the_memory_that_is_free_are_refused_before_they_are_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A file of a kilobyte that makes 1.9 GB of four bytes."""
    shape = constant("shape", np.asarray([1, 475_000_000], np.int32))
    graph = one_op("BROADCAST_TO", NoOptions(), [tensor("x", (1, 1)), shape], [tensor("y", ())])
    path = tmp_path / "large.tflite"
    path.write_bytes(to_bytes(graph))
    assert path.stat().st_size < 2000
    monkeypatch.setattr(machine, "free_memory", lambda: 1 << 30)
    file, x = open_model(path), np.zeros((1, 1), np.float32)
    message = r"layer 'y' needs 1\.8 GiB of memory at once; 1\.0 GiB are free here"
    for run in (load, lambda path: Interpreter(str(path)), lambda path: run_all(read(path), [x])):
        with pytest.raises(InputError, match=message):
            run(path)
    with pytest.raises(InputError, match=message):
        run_reference(file, [x])


def _fan(branches: int, size: int) -> Graph:
    """So many results of ``size`` floats, all of which the last op reads."""
    x, y = tensor("x", (1, size)), tensor("y", (1, branches * size))
    made = [tensor(f"t{i}", (1, size)) for i in range(branches)]
    ops = [Op("RELU", (0,), (i + 1,), NoOptions()) for i in range(branches)]
    ops.append(Op("CONCATENATION", tuple(range(1, branches + 1)), (branches + 1,), ConcatenationOptions(axis=1)))
    return Graph("main", (x, *made, y), tuple(ops), (0,), (branches + 1,))


def test_memory_is_counted_over_all_that_is_needed_at_once_not_op_by_op(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Forty results of 32 MB that wait for the last op: no op but that one needs more than 64 MB."""
    ops = _fan(40, 8 << 20).ops[:-1]
    graph = replace(_fan(40, 8 << 20), ops=ops, outputs=tuple(range(1, 41)))
    path = tmp_path / "many.tflite"
    path.write_bytes(to_bytes(graph))
    monkeypatch.setattr(machine, "free_memory", lambda: 1 << 30)
    for run in (
        load,
        lambda path: Interpreter(str(path)),
        lambda path: run_all(read(path), [np.zeros((1, 8 << 20), np.float32)]),
    ):
        with pytest.raises(InputError, match=r"layer 't39' needs 1\.3 GiB of memory at once; 1\.0 GiB are free here"):
            run(path)


def test_tracing_keeps_every_tensor_and_counts_them_all(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"t{i}" for i in range(41)]
    graph = chain([("RELU", NoOptions(), (tensor(a, (1, 8 << 20)),), (tensor(b, (1, 8 << 20)),), 1)
                   for a, b in pairwise(names)])  # fmt: skip
    monkeypatch.setattr(machine, "free_memory", lambda: 1 << 30)
    with pytest.raises(InputError, match=r"needs 1\.3 GiB of memory at once"):
        trace(graph, [np.zeros((1, 8 << 20), np.float32)])


def test_as_many_samples_run_together_as_memory_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    """One needs 12 MB: all 32 would need 384."""
    graph, x = _fan(3, 1 << 19), np.arange(8 << 19, dtype=np.float32).reshape(8, -1)
    model = load(to_bytes(graph))
    sizes: list[int] = []
    whole = model._runner.run
    monkeypatch.setattr(model._runner, "run", lambda arrays, keep: sizes.append(len(arrays[0])) or whole(arrays, keep))
    monkeypatch.setattr(machine, "free_memory", lambda: 80 << 20)
    for outputs in (model(x), run_all(graph, [x])[0]):
        np.testing.assert_array_equal(outputs, np.tile(x, (1, 3)))
    assert sizes == [3, 3, 2]
