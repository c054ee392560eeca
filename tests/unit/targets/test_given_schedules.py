"""Schedules that are named, or lie beside a model: followed on Cortex-M, refused or warned of where they do not fit."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import edgebnn
from edgebnn.cli.main import cli
from edgebnn.converters.write_tflite import to_bytes
from edgebnn.errors import InputError
from edgebnn.files import digest
from edgebnn.graph.ops.enums import Activation, Padding
from edgebnn.kernels import schedules
from edgebnn.kernels.schedules import LayerSchedule, Schedule
from edgebnn.targets.model_file import open_model
from tests.support.binary_cases import ConvCase, conv_graph

ONES = (1, 1)
CASE = ConvCase(1, (6, 8), (3, 3), ONES, ONES, Padding.SAME, 1, 1, 16, 8, Activation.NONE, "float32", 1)
BY_CHANNEL = LayerSchedule(0, "y", "conv_binary_by_channel", "os", {})


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "net.tflite"
    path.write_bytes(to_bytes(conv_graph(CASE, CASE.operands())))
    return path


def write(model: Path, layer: LayerSchedule, path: Path, hardware: str = "cortex-m4") -> Path:
    schedules.write(Schedule(digest(model.read_bytes()), hardware, (layer,)), path)
    return path


def functions(model: Path, folder: Path, schedule: Path | None = None) -> list[str]:
    made = edgebnn.export(model, folder, "cortex-m4", schedule=schedule)
    return [layer.function for layer in made.layers]


def test_the_schedule_that_is_named_is_followed(model: Path, tmp_path: Path) -> None:
    assert functions(model, tmp_path / "picked") == ["eb_conv_binary_float_rows"]
    path = write(model, BY_CHANNEL, tmp_path / "a.json")
    assert functions(model, tmp_path / "forced", path) == ["eb_conv_binary_float_by_channel"]
    tiled = LayerSchedule(0, "y", "conv_binary_rows", "rs", {"columns": 16})
    made = edgebnn.export(model, tmp_path / "tiled", schedule=write(model, tiled, tmp_path / "b.json"))
    assert ".columns = 16" in made.files["net.c"]


def test_one_beside_the_model_is_followed_on_its_machine(model: Path, tmp_path: Path) -> None:
    beside = write(model, BY_CHANNEL, tmp_path / "net.schedule.json")
    assert functions(model, tmp_path / "mine") == ["eb_conv_binary_float_by_channel"]
    write(model, BY_CHANNEL, beside, "pi4")
    assert functions(model, tmp_path / "other") == ["eb_conv_binary_float_rows"]


def test_one_of_another_model_is_refused_or_warned_of(model: Path, tmp_path: Path) -> None:
    path = write(model, BY_CHANNEL, tmp_path / "net.schedule.json")
    changed = replace(CASE, seed=2)
    model.write_bytes(to_bytes(conv_graph(changed, changed.operands())))
    with pytest.raises(InputError, match="was made for another model"):
        open_model(model, schedule=path)
    with pytest.warns(UserWarning, match="not followed: .*another model.*--save-schedule"):
        assert open_model(model).given is None


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (replace(BY_CHANNEL, kernel="neon64"), "no kernel 'neon64' for it on Cortex-M4; use conv_binary_rows or"),
        (replace(BY_CHANNEL, dataflow="ws"), "conv_binary_by_channel takes os here, not 'ws'"),
        (replace(BY_CHANNEL, tiles={"pixels": 4}), "cuts by no tiles; the schedule gives pixels"),
        (LayerSchedule(0, "y", "conv_binary_rows", "rs", {"columns": 12}), "columns 12 is not possible here; allowed"),
        (replace(BY_CHANNEL, op=3), "there is no op 3 .y.; the model has 1"),
    ],
)
def test_what_no_kernel_can_follow_is_refused(model: Path, tmp_path: Path, layer: LayerSchedule, message: str) -> None:
    path = write(model, layer, tmp_path / "a.json")
    with pytest.raises(InputError, match=message):
        edgebnn.export(model, tmp_path / "out", schedule=path)
    assert not (tmp_path / "out").exists()


def test_verbs(model: Path, tmp_path: Path) -> None:
    path = write(model, BY_CHANNEL, tmp_path / "a.json")
    np.save(tmp_path / "x.npy", CASE.operands().x)
    arguments = [str(model), "--target", "cortex-m4", "--input", str(tmp_path / "x.npy"), "--schedule", str(path)]
    result = CliRunner().invoke(cli, ["validate", *arguments, "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["bit_exact"]
    assert found["schedule"] == str(path)
    result = CliRunner().invoke(cli, ["run", *arguments, "--output", str(tmp_path / "y.npy"), "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["target"] == "cortex-m4"
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), edgebnn.load(model)(CASE.operands().x))
    result = CliRunner().invoke(cli, ["profile", *arguments, "--json"])
    found = json.loads(result.stdout)
    assert found["schedule"] == str(path)
    assert found["ops"][0]["kernel"] == "eb_conv_binary_float_by_channel"


def test_plan_saves_what_exporting_picks(model: Path, tmp_path: Path) -> None:
    path = tmp_path / "saved.json"
    arguments = ["plan", str(model), "--hardware", "cortex-m4", "--save-schedule", str(path), "--json"]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    (pick,) = json.loads(result.stdout)["schedules"]
    assert pick["kernel"] == "conv_binary_rows"
    assert pick["dataflow"] == "rs"
    assert pick["instructions"] < pick["runner_up"]["instructions"]
    assert pick["scratch_bytes"] > 0
    (layer,) = schedules.read(path).layers
    assert (layer.kernel, dict(layer.tiles)) == (pick["kernel"], pick["tiles"])
    named = edgebnn.export(model, tmp_path / "named", schedule=path)
    assert named.files == edgebnn.export(model, tmp_path / "default").files


def test_plan_saves_no_schedule_where_none_is_followed(model: Path, tmp_path: Path) -> None:
    path = tmp_path / "saved.json"
    result = CliRunner().invoke(cli, ["plan", str(model), "--hardware", "eyeriss", "--save-schedule", str(path)])
    assert isinstance(result.exception, InputError)
    assert "no layer of it follows a schedule, or has kernels whose costs are known, on eyeriss; leave" in str(
        result.exception
    )
    assert not path.exists()
