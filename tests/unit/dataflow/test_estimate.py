"""Time and energy in ``edgebnn analyze``: those of the plan, by op, labelled; and why there are none."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from edgebnn.cli.main import cli
from edgebnn.converters.write_tflite import to_bytes
from edgebnn.dataflow import hardware
from edgebnn.dataflow.plan import plan
from edgebnn.graph.ops.view import NoOptions
from edgebnn.graph.types import DType
from tests.support.dataflow_layers import Conv, graph_of
from tests.support.graphs import one_op, per_tensor, tensor

TINY = (Conv("first", 8, 3, 8, 3), Conv("second", 8, 8, 16, 3, 2))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.tflite"
    path.write_bytes(to_bytes(graph_of(TINY)))
    return path


def analyzed(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["analyze", *map(str, arguments)])


def as_json(*arguments: object) -> dict[str, Any]:
    done = analyzed(*arguments, "--json")
    assert done.exit_code == 0, done.output
    value: dict[str, Any] = json.loads(done.stdout)
    return value


@pytest.mark.parametrize(("option", "machine"), [("--hardware", "pi4"), ("--target", "host")])
def test_each_op_has_the_time_and_energy_of_its_plan(model: Path, option: str, machine: str) -> None:
    value, planned = as_json(model, option, machine), plan(graph_of(TINY), hardware.load(machine))
    for op, layer in zip(value["ops"], planned.layers, strict=True):
        assert (op["latency_ms"], op["energy"]) == (layer.latency_ms, sum(layer.energy.values()))
    whole = value["estimate"]
    assert (whole["kind"], whole["model"], whole["batch"]) == ("estimated", "dataflow", 1)
    assert (whole["hardware"], whole["energy_unit"]) == (planned.hardware.name, planned.hardware.unit)
    assert whole["latency_ms"] == pytest.approx(sum(op["latency_ms"] for op in value["ops"]))
    assert whole["energy"] == pytest.approx(sum(whole["energy_by_level"].values()))
    assert whole["energy"] == pytest.approx(sum(op["energy"] for op in value["ops"]))


def test_without_a_machine_the_fields_are_what_they_were(model: Path) -> None:
    value = as_json(model)
    assert "estimate" not in value
    assert set(value["ops"][0]) == {"index", "op", "name", "macs", "weight_bytes", "output_bytes"}


def test_the_table_says_what_was_estimated_for_which_machine_and_how(model: Path) -> None:
    done = analyzed(model, "--hardware", "eyeriss")
    assert done.exit_code == 0, done.output
    said = " ".join(done.stdout.split())
    assert "energy, MACs" in said
    assert "estimated for Eyeriss by the dataflow model" in said


def test_of_a_microcontroller_memory_and_estimates_are_both_told() -> None:
    model = Path(__file__).resolve().parents[2] / "data" / "mcu" / "resnet8_w1a8.tflite"
    value = as_json(model, "--target", "cortex-m4")
    assert value["footprint"]["target"]
    assert value["estimate"]["hardware"] == hardware.load("cortex-m4").name
    value = as_json(model, "--target", "cortex-m33")
    assert value["estimate"]["hardware"] is None
    assert "no machine is called cortex-m33: name one with --hardware" in value["estimate"]["reason"]
    assert value["ops"][0]["energy"] is None


def test_a_model_with_nothing_to_plan_is_analyzed_all_the_same(tmp_path: Path) -> None:
    scale = per_tensor(1 / 128, 0)
    x, y = tensor("x", (1, 2, 2, 3), DType.INT8, scale), tensor("y", (1, 2, 2, 3), DType.INT8, scale)
    path = tmp_path / "relu.tflite"
    path.write_bytes(to_bytes(one_op("RELU", NoOptions(), [x], [y])))
    value = as_json(path, "--target", "host")
    assert "nothing to plan" in value["estimate"]["reason"]
    done = CliRunner().invoke(cli, ["analyze", str(path), "--hardware", "pi4"])
    assert "nothing to plan" in str(done.exception), "asked for by name, it is refused"


def test_an_unknown_machine_is_refused(model: Path) -> None:
    assert "unknown hardware 'pi9'" in str(analyzed(model, "--hardware", "pi9").exception)


def test_a_machine_that_gives_no_energies_is_no_failure(model: Path, tmp_path: Path) -> None:
    text = (Path(hardware.__file__).parent / "hardware" / "pi4.toml").read_text(encoding="utf-8")
    text = re.sub(r"^energy = [\d.]+$", "energy = 0", text, flags=re.MULTILINE)
    text = re.sub(
        r"^energy = \{.*\}$", "energy = { binary = 0, w1a8 = 0, int8 = 0, float = 0 }", text, flags=re.MULTILINE
    )
    free = tmp_path / "free.toml"
    free.write_text(text, encoding="utf-8")
    for verb, *options in (("analyze",), ("plan",), ("plan", "--objective", "latency"), ("plan", "--objective", "edp")):
        done = CliRunner().invoke(cli, [verb, str(model), "--hardware", str(free), *options])
        assert done.exit_code == 0, done.exception
