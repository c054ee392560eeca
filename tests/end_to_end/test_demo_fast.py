"""``edgebnn demo --fast``, as a user runs it: in time, above its bar, with a report that a browser shows."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgebnn.cli import main as cli
from edgebnn.converters.read_tflite import read
from edgebnn.demo import plan
from edgebnn.graph import counts
from edgebnn.reports import html
from tests.support import browser

# Two minutes on two idle cores; other tests run beside this one.
SECONDS = 600
AGAIN_SECONDS = 120


def run(folder: Path, seconds: int) -> tuple[dict[str, Any], str]:
    """The JSON on standard output, and what standard error says."""
    command = [sys.executable, "-m", "edgebnn", "demo", "--fast", "--json", "-o", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout), done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "runs" / "fast"


@pytest.fixture(scope="module")
def result(folder: Path) -> dict[str, Any]:
    return run(folder, SECONDS)[0]


def test_the_deployed_model_reaches_its_bar(result: dict[str, Any]) -> None:
    assert result["passed"] is True
    assert result["accuracy"] >= result["required"] == 0.9
    assert result["samples"] == 10_000


def test_the_deployed_model_gives_the_answers_of_keras_and_of_the_reference(result: dict[str, Any]) -> None:
    keras, reference = result["agreements"]
    assert abs(result["accuracy"] - result["keras_accuracy"]) < 0.001
    assert (keras["reference"], keras["samples"]) == ("Keras", 10_000)
    assert keras["same_class"] >= 0.999 * keras["samples"]
    assert reference["samples"] == 1_000
    assert reference["same_class"] >= 0.999 * reference["samples"]
    assert reference["max_abs_diff"] <= 1e-5 * reference["output_range"] or reference["mismatches"] > 0


def test_the_retrained_model_reaches_its_bars_and_conversion_costs_nothing(result: dict[str, Any]) -> None:
    found = result["retraining"]
    accuracy = {stage["name"]: stage["accuracy"] for stage in found["stages"]}
    assert list(accuracy) == ["float", "post-training", "retrained", "converted", "deployed"]
    assert accuracy["deployed"] >= max(found["required"], accuracy["float"] - found["within"])
    assert abs(accuracy["converted"] - accuracy["retrained"]) <= 0.002
    assert abs(accuracy["deployed"] - accuracy["converted"]) <= 0.002
    assert accuracy["post-training"] < accuracy["retrained"]
    kinds = [op.kind for op in read(result["retrained_model"]).ops]
    assert kinds.count("EdgebnnConv2dW1A8") == 6
    assert found["packed_bytes"] == Path(result["retrained_model"]).stat().st_size < found["int8_bytes"]


def test_the_pruned_model_meets_its_budget_and_its_bar(result: dict[str, Any]) -> None:
    found = result["pruning"]
    assert found["met"]
    assert found["predicted"] <= found["budget"] < found["initial"]
    assert found["stages"][-1]["accuracy"] >= found["required"]
    assert abs(found["stages"][-1]["accuracy"] - found["stages"][-2]["accuracy"]) < 0.001, "deployed, as in Keras"
    assert any(width["after"] < width["before"] for width in found["widths"])
    assert found["bytes_after"] == Path(result["pruned_model"]).stat().st_size < found["bytes_before"]


def test_the_plan_estimates_every_layer_that_multiplies(result: dict[str, Any]) -> None:
    found, graph = result["dataflow"], read(result["model"])
    assert (found["kind"], found["hardware"]) == ("estimated", "Raspberry Pi 4 (Cortex-A72)")
    assert sum(layer["macs"] for layer in found["layers"]) == counts.macs(graph).total
    shown = Path(result["report"]).read_text(encoding="utf-8")
    assert shown.count('<tr class="planned">') == len(found["layers"])
    for chart in ("Energy of each layer by memory", "Accesses of each layer by memory", "Roofline of the layers"):
        assert f"{chart}, estimated for Raspberry Pi 4" in shown


def test_the_networks_give_the_same_bits_on_a_microcontroller(result: dict[str, Any]) -> None:
    found = result["microcontroller"]
    assert (found["core"], found["kind"]) == ("Cortex-M4", "simulated")
    w1a8, int8, w1a1 = found["networks"]
    assert all(network["bit_exact"] and network["samples"] == 3 for network in (w1a8, int8, w1a1))
    assert w1a8["instructions"] < 0.7 * int8["instructions"]
    assert w1a8["flash_bytes"] < int8["flash_bytes"] / 2
    assert sum(layer["instructions"] for layer in w1a8["layers"]) <= w1a8["instructions"]


def test_the_pruned_network_answers_as_the_reference_on_an_emulated_pi(result: dict[str, Any]) -> None:
    if result["on_pi"] is None:
        pytest.skip("a Raspberry Pi cannot be emulated here")
    assert (result["on_pi"]["target"], result["on_pi"]["kind"]) == ("qemu-aarch64", "emulated")
    assert (result["on_pi"]["samples"], result["on_pi"]["passed"]) == (3, True)


def test_the_report_holds_what_the_result_says(result: dict[str, Any]) -> None:
    data = html.read(Path(result["report_data"]))
    assert data.accuracy is not None
    assert data.accuracy.deployed == result["accuracy"]
    graph = read(result["model"])
    assert [layer.op for layer in data.layers] == [op.kind for op in graph.ops]
    assert data.timing is not None
    timed = [index for stretch in data.timing.stretches for index in stretch.members]
    assert sorted(timed) == list(range(len(graph.ops)))
    assert sum(stretch.share for stretch in data.timing.stretches) == pytest.approx(1, abs=0.05)
    assert data.sizes is not None
    assert data.sizes.deployed_file == Path(result["model"]).stat().st_size == result["file_bytes"]
    assert len(data.sizes.layers) == 10, "every convolution and the dense layer have a partner in the float file"


def test_the_report_opens_in_a_browser(result: dict[str, Any], tmp_path: Path) -> None:
    page, profile = Path(result["report"]), tmp_path / "chromium"
    dom = browser.dom(page, profile)
    assert dom.count('<tr class="layer">') == len(html.read(Path(result["report_data"])).layers)
    assert f"{100 * result['accuracy']:.2f}" in dom
    for width in (390, 1280):
        assert browser.overflow(page, profile, tmp_path, width=width) <= 0
        pixels = browser.screenshot(page, tmp_path / "shot.png", profile, width=width, height=1600, dark=False)
        assert (np.ptp(pixels.astype(int), axis=1).max(axis=1) > 60).mean() > 0.3, "most rows of pixels are blank"


def test_a_second_run_keeps_every_step(result: dict[str, Any], folder: Path) -> None:
    again, said = run(folder, AGAIN_SECONDS)
    assert said.count("done before") == (10 if result["on_pi"] is None else 11), "all but the report"
    changing = ("seconds",)
    assert {k: v for k, v in again.items() if k not in changing} == {
        k: v for k, v in result.items() if k not in changing
    }


def test_every_command_of_the_report_reproduces_its_part(result: dict[str, Any], folder: Path) -> None:
    whole, *parts = html.read(Path(result["report_data"])).reproduce.commands
    assert whole == f"edgebnn demo --fast --seed 0 -o {folder}"
    found = {}
    for command in parts:
        words = shlex.split(command)
        done = subprocess.run(
            [sys.executable, "-m", *words, "--json"], capture_output=True, text=True, timeout=SECONDS, check=False
        )
        assert done.returncode == 0, (command, done.stderr[-2000:])
        found[words[1]] = json.loads(done.stdout)
    assert list(found) == ["lint", "convert", "analyze", "plan", "validate", "profile", "prune", "retrain", "export"]
    assert found["profile"]["total"] == result["microcontroller"]["networks"][0]["instructions"], "the last one's"
    planned, again = result["dataflow"], found["plan"]
    assert sum(again["totals"]["energy"].values()) == pytest.approx(
        sum(amount["value"] for layer in planned["layers"] for amount in layer["energy"])
    )
    assert found["export"]["arena_bytes"] == result["microcontroller"]["networks"][0]["arena_bytes"]
    assert (folder / "again-model.tflite").read_bytes() == Path(result["model"]).read_bytes()
    first, again = result["pruning"], found["prune"]
    assert (again["initial"], again["budget"]) == (first["initial"], first["budget"])
    assert again["final"]["predicted"] == first["predicted"]
    assert again["accuracy"]["long_term"] == pytest.approx(first["stages"][-2]["accuracy"], abs=0.01)
    stages = {stage["name"]: stage["accuracy"] for stage in result["retraining"]["stages"]}
    for stage in found["retrain"]["stages"]:
        assert stage["accuracy"] == pytest.approx(stages[stage["name"]], abs=0.01), stage["name"]


def test_a_run_below_its_bar_says_so_and_exits_with_1(
    result: dict[str, Any], folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(plan, "FAST", replace(plan.FAST, required=0.9999))
    with pytest.raises(SystemExit) as ended:
        cli.main(["demo", "--fast", "--json", "-o", str(folder)])
    assert ended.value.code == 1
    assert json.loads(capsys.readouterr().out)["passed"] is False
    assert "Fails the bar" in Path(result["report"]).read_text(encoding="utf-8")


def test_a_folder_that_cannot_be_made_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    command = [sys.executable, "-m", "edgebnn", "demo", "--fast", "-o", str(tmp_path / "file" / "run")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1].startswith(f"edgebnn: {tmp_path / 'file' / 'run'}: ")
    assert "Traceback" not in done.stderr
