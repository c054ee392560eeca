"""The command line's contract: JSON shapes that other programs read, exit codes, one clear line for bad input."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from edgebnn.cli import main as cli
from edgebnn.converters.read_tflite import read
from tests.support.topologies import lce_bytes

VERBS = (
    "train",
    "prune",
    "retrain",
    "convert",
    "lint",
    "analyze",
    "run",
    "validate",
    "profile",
    "benchmark",
    "demo",
    "targets",
    "ops",
    "doctor",
)


def edgebnn(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The command, in this process: starting Python and loading LiteRT would take most of the time otherwise."""
    out, err = io.StringIO(), io.StringIO()
    command = [str(argument) for argument in arguments]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as ended:
        cli.main(command)
    assert isinstance(ended.value.code, int)
    return subprocess.CompletedProcess(command, ended.value.code, out.getvalue(), err.getvalue())


def as_json(*arguments: object, code: int = 0) -> dict[str, Any]:
    """What the command prints with --json: exactly one object on standard output."""
    done = edgebnn(*arguments, "--json")
    assert done.returncode == code, done.stderr
    value = json.loads(done.stdout)
    assert isinstance(value, dict)
    return value


def refused(*arguments: object) -> str:
    """The one line that a refusal prints: exit code 2, no traceback, nothing on standard output."""
    done = edgebnn(*arguments)
    assert done.returncode == 2, (done.stdout, done.stderr)
    lines = [line for line in done.stderr.splitlines() if not line.startswith("INFO:")]
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("edgebnn: ")
    assert done.stdout == ""
    return lines[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a float and an int8 LCE model and inputs for them."""
    place = tmp_path_factory.mktemp("cli")
    (place / "float.tflite").write_bytes(lce_bytes("residual_float"))
    (place / "int8.tflite").write_bytes(lce_bytes("residual_int8"))
    shape = read(place / "float.tflite").tensors[read(place / "float.tflite").inputs[0]].shape[1:]
    images = np.random.default_rng(1).uniform(-1, 1, (5, *shape)).astype(np.float32)
    np.save(place / "x.npy", images)
    return place


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example_and_json(verb: str) -> None:
    done = edgebnn(verb, "--help")
    assert done.returncode == 0
    assert f"Example: edgebnn {verb}" in done.stdout
    assert "--json" in done.stdout


def test_validate_tells_the_outcome(folder: Path) -> None:
    value = as_json("validate", folder / "int8.tflite", "--layers")
    fields = {"target", "model", "samples", "passed", "tolerance", "bit_exact", "max_abs_diff", "mismatches", "layers"}
    assert fields <= set(value)
    assert value["passed"] is True
    assert value["bit_exact"] is True
    assert [layer["op"] for layer in value["layers"]] == [op.kind for op in read(folder / "int8.tflite").ops]


def test_validate_takes_inputs_and_counts_them(folder: Path) -> None:
    value = as_json("validate", folder / "float.tflite", "--input", folder / "x.npy", "--samples", 3)
    assert value["samples"] == 3
    assert value["passed"] is True
    assert "layers" not in value


def test_profile_sums_to_the_whole(folder: Path) -> None:
    value = as_json("profile", folder / "float.tflite")
    assert {"target", "kind", "unit", "total", "ops"} <= set(value)
    assert (value["kind"], value["unit"]) == ("measured", "ms")
    assert all({"index", "op", "name", "value", "share"} <= set(op) for op in value["ops"])
    assert sum(op["value"] for op in value["ops"]) == pytest.approx(value["total"], rel=0.05)
    binary = [op.kind for op in read(folder / "float.tflite").ops if op.kind == "LceBconv2d"]
    assert [op["op"] for op in value["ops"] if op["op"] == "LceBconv2d"] == binary


def test_benchmark_against_another_file(folder: Path) -> None:
    value = as_json("benchmark", folder / "float.tflite", "--against", folder / "int8.tflite", "--repeats", 5)
    assert {"target", "kind", "threads", "repeats", "median_ms", "spread_ms", "against"} <= set(value)
    assert {"name", "median_ms", "ratio"} <= set(value["against"])
    assert value["median_ms"] > 0


def test_analyze_counts(folder: Path) -> None:
    value = as_json("analyze", folder / "float.tflite")
    totals = value["totals"]
    assert set(totals) >= {"macs", "weight_bytes", "file_bytes", "peak_arena_bytes", "arena_lower_bound_bytes"}
    assert totals["macs"]["binary"] == sum(op["macs"]["binary"] for op in value["ops"]) > 0
    assert totals["file_bytes"] == (folder / "float.tflite").stat().st_size


def test_lint_exits_1_on_errors_only(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(as_json("lint", folder / "float.tflite")["findings"], list)
    (tmp_path / "lossy.py").write_text(
        "from edgebnn._tensorflow import keras, lq\n"
        "def model():\n"
        "    x = keras.Input((8, 8, 32))\n"
        "    y = lq.layers.QuantDense(10, input_quantizer='ste_sign', kernel_quantizer='ste_sign')(x)\n"
        "    return keras.Model(x, y)\n"
    )
    monkeypatch.chdir(tmp_path)
    done = edgebnn("lint", "lossy:model", "--json")
    findings = json.loads(done.stdout)["findings"]
    assert any(finding["level"] == "error" for finding in findings) == (done.returncode == 1)
    assert any("dense" in finding["rule"] for finding in findings)


def test_run_gives_the_same_on_both_backends(folder: Path, tmp_path: Path) -> None:
    for backend in ("litert", "reference"):
        as_json(
            "run",
            folder / "float.tflite",
            "--input",
            folder / "x.npy",
            "--output",
            tmp_path / f"{backend}.npy",
            "--backend",
            backend,
        )
    ours, reference = np.load(tmp_path / "litert.npy"), np.load(tmp_path / "reference.npy")
    assert ours.shape == (5, 10)
    np.testing.assert_allclose(ours, reference, atol=1e-4)


def test_doctor_finds_what_is_needed() -> None:
    value = as_json("doctor")
    assert value["passed"] is True
    assert {"compiler", "delegate", "numpy"} <= {check["name"] for check in value["checks"]}


def test_the_command_runs_as_a_module_and_json_is_all_it_prints(folder: Path) -> None:
    command = [sys.executable, "-m", "edgebnn", "validate", str(folder / "int8.tflite"), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["passed"] is True


def test_doctor_says_when_there_is_no_compiler(tmp_path: Path) -> None:
    environment = {**os.environ, "CC": "/nonexistent/cc", "EDGEBNN_CACHE": str(tmp_path)}
    command = [sys.executable, "-m", "edgebnn", "doctor", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False)
    assert done.returncode == 1
    broken = {check["name"]: check for check in json.loads(done.stdout)["checks"] if not check["ok"]}
    assert "/nonexistent/cc" in broken["compiler"]["detail"]
    assert broken["compiler"]["remedy"]


# -- bad input --


@pytest.mark.parametrize("verb", ["validate", "profile", "benchmark"])
def test_one_target_means_one_and_a_model_is_looked_at_before_the_device(folder: Path, verb: str) -> None:
    model, nobody = folder / "float.tflite", "ssh://pi@127.0.0.1:1"
    assert "--target host --target qemu-aarch64: this takes one" in refused(
        verb, model, "--target", "host", "--target", "qemu-aarch64"
    )
    assert "unknown target 'qemu-arch64', did you mean qemu-aarch64?" in refused(verb, model, "--target", "qemu-arch64")
    assert "unknown target 'toaster'; known: host, " in refused(verb, model, "--target", "toaster")
    assert "nothing.tflite: cannot be read" in refused(verb, folder / "nothing.tflite", "--target", nobody)
    assert "nothing.npy: cannot be read" in refused(verb, model, "--target", nobody, "--input", folder / "nothing.npy")
    assert "refuses ssh -p 1" in refused(verb, model, "--target", nobody)


def test_a_missing_file_is_one_line(folder: Path) -> None:
    for verb in ("validate", "profile", "analyze", "benchmark", "lint"):
        assert "nothing.tflite" in refused(verb, folder / "nothing.tflite")


@pytest.mark.parametrize("length", [0, 7, 100, 5000])
def test_a_truncated_file_is_one_line(folder: Path, tmp_path: Path, length: int) -> None:
    path = tmp_path / "cut.tflite"
    path.write_bytes((folder / "float.tflite").read_bytes()[:length])
    assert "cut.tflite" in refused("validate", path)


def test_an_unknown_custom_op_is_named_with_its_layer(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "custom.tflite"
    path.write_bytes((folder / "float.tflite").read_bytes().replace(b"LceBconv2d", b"XyzBconv2d"))
    line = refused("validate", path)
    assert "XyzBconv2d" in line
    assert "custom.tflite" in line
    assert "LceBconv2d" in line  # among what is supported


def test_wrong_shapes_dtypes_and_nan_are_refused_and_nothing_is_written(folder: Path, tmp_path: Path) -> None:
    good = np.load(folder / "x.npy")
    bad = {"shape": good[:, :5], "dtype": good.astype(np.complex64), "nan": np.full_like(good, np.nan)}
    for name, array in bad.items():
        np.save(tmp_path / f"{name}.npy", array)
        for backend in ("litert", "reference"):
            refused(
                "run",
                folder / "float.tflite",
                "--input",
                tmp_path / f"{name}.npy",
                "--output",
                tmp_path / "y.npy",
                "--backend",
                backend,
            )
    (tmp_path / "text.npy").write_text("not an array")
    assert "text.npy" in refused(
        "run", folder / "float.tflite", "--input", tmp_path / "text.npy", "--output", tmp_path / "y.npy"
    )
    assert not (tmp_path / "y.npy").exists()


def test_a_folder_that_cannot_be_written_is_said_before_the_work(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "missing" / "y.npy"
    assert "missing" in refused("run", folder / "float.tflite", "--input", folder / "x.npy", "--output", output)
    assert "missing" in refused("convert", "no_module:f", "-o", tmp_path / "missing" / "m.tflite")
    assert "missing" in refused("train", "resnet8", "--data", "mnist", "-o", tmp_path / "missing" / "m.keras")


def test_unknown_names_list_the_known_ones(folder: Path, tmp_path: Path) -> None:
    assert "host" in refused("profile", folder / "float.tflite", "--target", "abacus")
    assert "resnet8" in refused("train", "resnet9", "--data", "mnist", "-o", tmp_path / "m.keras")
    assert "mnist" not in refused("train", "resnet8", "--data", str(tmp_path / "nowhere"), "-o", tmp_path / "m.keras")


def test_litert_alone_is_said_not_to_run_binary_ops(folder: Path) -> None:
    assert "LceQuantize" in refused("benchmark", folder / "float.tflite", "--against", "litert")


def test_an_op_outside_the_set_is_refused_by_name_layer_and_file(folder: Path, tmp_path: Path) -> None:
    model = schema.ModelT.InitFromPackedBuf((folder / "float.tflite").read_bytes())
    mean = next(code for code in model.operatorCodes if code.builtinCode == schema.BuiltinOperator.MEAN)
    mean.builtinCode = schema.BuiltinOperator.SEGMENT_SUM
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    path = tmp_path / "other.tflite"
    path.write_bytes(bytes(builder.Output()))
    line = refused("analyze", path)
    assert "SEGMENT_SUM" in line
    assert "other.tflite" in line
    assert "global_average_pooling2d" in line
    assert "FULLY_CONNECTED" in line  # among what is supported


RUNTIME_DATA = Path(__file__).parents[1] / "data" / "runtime"


@pytest.mark.parametrize("name", ["cumulative_sum", "lstm"])
def test_what_litert_runs_is_run_profiled_and_timed_beyond_the_ir(name: str, tmp_path: Path) -> None:
    model = RUNTIME_DATA / f"{name}.tflite"
    assert as_json("profile", model, "--repeats", 4)["ops"]
    assert as_json("benchmark", model, "--against", "litert", "--repeats", 4)["against"]["ratio"] > 0
    shape = (8, 8, 4) if name == "cumulative_sum" else (6, 5)
    x = np.random.default_rng(0).normal(size=(3, *shape)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    as_json("run", model, "--input", tmp_path / "x.npy", "--output", tmp_path / "y.npy")
    if name == "cumulative_sum":
        np.testing.assert_allclose(np.load(tmp_path / "y.npy"), np.cumsum(x, axis=1), rtol=1e-4, atol=1e-5)
    assert "LiteRT may run the file all the same" in refused("validate", model)


def test_an_open_size_is_asked_for_and_taken_from_the_input(tmp_path: Path) -> None:
    model = RUNTIME_DATA / "open_size.tflite"
    for verb in ("validate", "profile", "benchmark"):
        assert "give one with --input" in refused(verb, model)
    for size in ((8, 8), (12, 9)):
        np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(2, *size, 3)).astype(np.float32))
        given = ("--input", tmp_path / "x.npy")
        assert as_json("validate", model, *given, "--layers")["passed"]
        assert as_json("profile", model, *given, "--repeats", 4)["ops"]
        assert as_json("benchmark", model, *given, "--repeats", 4)["median_ms"] > 0
        answers = []
        for backend in ("litert", "reference"):
            as_json("run", model, *given, "--output", tmp_path / "y.npy", "--backend", backend)
            answers.append(np.load(tmp_path / "y.npy"))
        np.testing.assert_allclose(*answers, rtol=1e-4, atol=1e-4)
        assert answers[0].shape == (2, size[0] - 4, size[1] - 4, 4)


@pytest.mark.parametrize("name", ["two", "plain"])
def test_a_signature_is_run_by_its_name(name: str, tmp_path: Path) -> None:
    model, x = RUNTIME_DATA / "signatures.tflite", np.ones((1, 4), np.float32)
    np.savez(tmp_path / "x.npz", **({"a": x, "b": x} if name == "two" else {"x": x}))
    run = ("run", model, "--input", tmp_path / "x.npz", "--output", tmp_path / "y.npz")
    assert "say which to run" in refused(*run)
    as_json(*run, "--signature", name)


def test_a_full_disk_is_one_line(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "y.npy").symlink_to("/dev/full")
    line = refused("run", folder / "float.tflite", "--input", folder / "x.npy", "--output", tmp_path / "y.npy")
    assert "y.npy: cannot be written" in line


def test_emulated_times_are_called_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgebnn.machine.emulated_on", lambda: "x86_64")
    for verb in ("profile", "benchmark"):
        assert as_json(verb, folder / "float.tflite", "--repeats", 4)["kind"] == "emulated"


def test_doctor_says_what_is_missing_where_litert_is() -> None:
    code = (
        "import sys; sys.modules.update(dict.fromkeys(('ai_edge_litert', 'tflite_runtime', 'tflite')));"
        "from edgebnn.cli.main import main; main(['doctor', '--json'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert not checks["ai-edge-litert"]["ok"]
    assert checks["ai-edge-litert"]["remedy"]
    assert checks["compiler"]["ok"]
    assert "not installed" in checks["delegate"]["detail"]


@pytest.mark.parametrize(("system", "ok"), [("linux", True), ("darwin", True), ("win32", True), ("sunos5", False)])
def test_doctor_takes_the_systems_that_there_are_wheels_for(
    system: str, ok: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgebnn.targets import doctor

    monkeypatch.setattr(doctor, "sys", SimpleNamespace(platform=system))  # Python itself stays where it is
    assert doctor.examine()[0].ok is ok
