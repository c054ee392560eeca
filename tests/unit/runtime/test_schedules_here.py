"""Schedules that kernels on this machine follow: the same bits, the kernel that was named, and refusals by layer."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import edgebnn
from edgebnn.cli.main import cli
from edgebnn.converters.write_tflite import to_bytes
from edgebnn.dataflow import kernel_costs
from edgebnn.errors import InputError, ModelFormatError
from edgebnn.files import digest
from edgebnn.graph.layer_shapes import layers
from edgebnn.graph.ops.enums import Activation, Padding
from edgebnn.kernels import schedules
from edgebnn.kernels.schedules import LayerSchedule, Schedule
from edgebnn.kernels.spaces import LayerShape, space
from edgebnn.kernels.tables import lines
from edgebnn.runtime.followed import spaces_here
from edgebnn.runtime.interpreter import Interpreter
from tests.support import ckernels, w1a8_cases, w1a8_kernels
from tests.support.binary_cases import ConvCase, c_operation, conv_cases, conv_graph

ONES = (1, 1)
CASE = ConvCase(1, (9, 8), (3, 3), ONES, ONES, Padding.SAME, 1, 1, 64, 70, Activation.NONE, "float32", 1)
GRAPH = conv_graph(CASE, CASE.operands())
FEATURES = sum({kernel.cpu_features for kernel in ckernels.kernel_lines()})


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "net.tflite"
    path.write_bytes(to_bytes(GRAPH))
    return path


def write(model: Path, path: Path, *layer_schedules: LayerSchedule, hardware: str = "host") -> Path:
    schedules.write(Schedule(digest(model.read_bytes()), hardware, layer_schedules), path)
    return path


def kernel_of(model: Path, schedule: Path | None = None) -> str:
    loaded = edgebnn.load(model, schedule=schedule)
    profile = loaded.profile(CASE.operands().x, repeats=4)
    return next(op.kernel for op in profile.ops if op.op == "LceBconv2d")


def test_every_candidate_gives_the_same_bits(model: Path, tmp_path: Path) -> None:
    x = CASE.operands().x
    expected = edgebnn.load(model)(x)
    (found,) = spaces_here(GRAPH).values()
    assert {one.kernel for one in found} >= {"portable", "portablers"}
    for candidate in (point for one in found for point in one.candidates(0, "y")):
        path = write(model, tmp_path / "one.json", candidate)
        assert np.array_equal(edgebnn.load(model, schedule=path)(x), expected), candidate


def test_the_kernel_that_is_named_runs(model: Path, tmp_path: Path) -> None:
    rows = LayerSchedule(0, "y", "portablers", "rs", {"rows": 2, "blocks": 4})
    assert kernel_of(model, write(model, tmp_path / "a.json", rows)) == "portablers"


def test_the_one_beside_the_model_is_followed_on_its_machine(model: Path) -> None:
    rows = LayerSchedule(0, "y", "portablers", "rs", {"rows": 2, "blocks": 4})
    write(model, model.with_suffix(".schedule.json"), rows)
    assert kernel_of(model) == "portablers"
    write(model, model.with_suffix(".schedule.json"), rows, hardware="pi4")
    assert kernel_of(model) != "portablers"


def test_one_beside_the_model_that_cannot_be_followed_is_warned_of(model: Path) -> None:
    write(model, model.with_suffix(".schedule.json"), LayerSchedule(0, "y", "abacus", "os", {"pixels": 8, "blocks": 4}))
    with pytest.warns(UserWarning, match=r"net\.schedule\.json: op 0 \(y\): there is no kernel 'abacus'"):
        edgebnn.load(model)


def test_what_no_kernel_follows_is_refused_by_layer(model: Path, tmp_path: Path) -> None:
    wrong = LayerSchedule(0, "y", "portable", "os", {"pixels": 9, "blocks": 4})
    with pytest.raises(InputError, match=r"op 0 \(y\): pixels 9 is not possible here; allowed: multiples of 8"):
        edgebnn.load(model, schedule=write(model, tmp_path / "a.json", wrong))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0:portablers:rs:rows=2,blocks=4;0:portable:os:pixels=8,blocks=4", "schedule=0"),
        ("nothing", "schedule=nothing"),
        ("0:portable:os:columns=1", "schedule=0"),
    ],
)
def test_the_delegate_refuses_options_that_are_none(model: Path, text: str, message: str) -> None:
    class Wrong(Schedule):
        @property
        def text(self) -> str:
            return text

    with pytest.raises(InputError, match=f"option {message}"):
        Interpreter(str(model), schedule=Wrong("", "host", ()))


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (LayerSchedule(0, "y", "abacus", "os", {"pixels": 8, "blocks": 4}), "there is no kernel 'abacus'"),
        (LayerSchedule(0, "y", "portable", "rs", {"rows": 8, "blocks": 4}), "not one that 'portable' can follow"),
        (LayerSchedule(1, "y", "portable", "os", {"pixels": 8, "blocks": 4}), "op 1 has a schedule, but is none"),
    ],
)
def test_the_delegate_refuses_what_it_cannot_follow(model: Path, layer: LayerSchedule, message: str) -> None:
    with pytest.raises(ModelFormatError, match=message):
        Interpreter(str(model), schedule=Schedule("", "host", (layer,))).allocate_tensors()


def test_commands_follow_it(model: Path, tmp_path: Path) -> None:
    rows = write(model, tmp_path / "a.json", LayerSchedule(0, "y", "portablers", "rs", {"rows": 2, "blocks": 4}))
    np.save(tmp_path / "x.npy", CASE.operands().x)
    arguments = [str(model), "--input", str(tmp_path / "x.npy"), "--schedule", str(rows), "--json"]
    result = CliRunner().invoke(cli, ["run", *arguments, "--output", str(tmp_path / "y.npy")])
    assert result.exit_code == 0, result.output
    assert np.array_equal(np.load(tmp_path / "y.npy"), edgebnn.load(model)(CASE.operands().x))
    for verb in ("validate", "profile", "benchmark"):
        result = CliRunner().invoke(cli, [verb, *arguments, *(() if verb == "validate" else ("--repeats", "4"))])
        assert result.exit_code == 0, result.output
        assert json.loads(result.stdout)["schedule"] == str(rows)


@pytest.mark.parametrize("hardware", ["pi4", "host"])
def test_plan_writes_what_it_picks(model: Path, tmp_path: Path, hardware: str) -> None:
    path = tmp_path / "picked.json"
    result = CliRunner().invoke(
        cli, ["plan", str(model), "--hardware", hardware, "--save-schedule", str(path), "--json"]
    )
    costs = kernel_costs.of(hardware)
    assert costs is not None
    here = {found.kernel for found in spaces_here(GRAPH)[0]}
    if hardware == "host" and here.isdisjoint(costs.kernels("bconv2d", hardware)):  # a processor without AVX-512
        assert result.exit_code == 1
        assert "has kernels whose costs are known, on host; leave --save-schedule out" in str(result.exception)
        return
    assert result.exit_code == 0, result.output
    (picked,) = json.loads(result.stdout)["schedules"]
    saved = schedules.read(path)
    assert (saved.hardware, saved.model) == (hardware, digest(model.read_bytes()))
    assert (saved.layers[0].kernel, saved.layers[0].op) == (picked["kernel"], picked["op"])
    assert picked["candidates"] > 1
    if hardware == "host":
        assert kernel_of(model, path) == picked["kernel"]


@given(case=conv_cases())
def test_the_space_of_binary_layers_is_that_of_c(case: ConvCase) -> None:
    (layer,) = layers(conv_graph(case, case.operands()))
    for kernel in ckernels.kernel_lines():
        line = next(line for line in lines("bconv2d") if line.name == kernel.name.decode())
        found = space(line, layer.shape)
        if found is None:
            followed = ckernels.Schedule(kernel.name, ckernels.ORDERS["rs"], 0, 1, 1)
            with pytest.raises(ckernels.KernelRefused, match="EB_BAD_SCHEDULE"):
                ckernels.plan_convolution(c_operation(case), followed, FEATURES)
            continue
        for point in found.candidates(0, "y"):
            sizes = (point.tiles.get("pixels", 0), point.tiles.get("rows", 0), point.tiles["blocks"])
            followed = ckernels.Schedule(kernel.name, ckernels.ORDERS[point.dataflow], *sizes)
            plan = ckernels.plan_convolution(c_operation(case), followed, FEATURES)
            assert plan.tiles == tiles_of(case, plan, point, kernel.channel_tile), point


def tiles_of(case: ConvCase, plan: ckernels.Plan, point: LayerSchedule, channel_tile: int) -> int:
    """What a schedule makes if no size is rounded."""
    height, width = plan.op.window.output_height, plan.op.window.output_width
    blocks = -(-case.channels_out // channel_tile)
    packed_together = case.output == "int32" and case.groups > 1 and case.channels_out % 32 != 0
    chunks = (1 if packed_together else case.groups) * -(-blocks // point.tiles["blocks"])
    if point.dataflow == "rs":
        return case.batches * -(-height // point.tiles["rows"]) * chunks
    return -(-(case.batches * height * width) // point.tiles["pixels"]) * chunks


@given(case=w1a8_cases.CASES, depthwise=st.booleans())
def test_the_space_of_w1a8_layers_is_that_of_c(case: w1a8_cases.Case, depthwise: bool) -> None:
    case = replace(case, groups=1, depthwise=True, outputs=2) if depthwise else case
    win = w1a8_kernels.plan(case.op()).op.window
    channels_in, channels_out = case.channels
    shape = LayerShape(
        operation="w1a8",
        batch=case.batches,
        in_size=case.size,
        out_size=(win.output_height, win.output_width),
        filter_size=case.filter,
        stride=case.stride,
        dilation=case.dilation,
        in_channels=channels_in,
        out_channels=channels_out,
        groups=1 if depthwise else case.groups,
        output_type="int8",
        depthwise=depthwise,
    )
    features = sum({kernel.cpu_features for kernel in w1a8_kernels.kernel_lines()})
    for kernel in w1a8_kernels.kernel_lines():
        line = next(line for line in lines("w1a8") if line.name == kernel.name.decode())
        found = space(line, shape)
        assert found is not None
        for point in found.candidates(0, "y"):
            sizes = (0, point.tiles["rows"], point.tiles.get("blocks", 0))
            plan = w1a8_kernels.plan(
                case.op(), ckernels.Schedule(kernel.name, ckernels.ORDERS[point.dataflow], *sizes), features
            )
            blocks = 1 if depthwise else case.groups * -(-case.outputs // line.numbers["channel_tile"])
            parts = -(-blocks // point.tiles.get("blocks", 1))
            assert plan.tiles == case.batches * -(-win.output_height // point.tiles["rows"]) * parts
