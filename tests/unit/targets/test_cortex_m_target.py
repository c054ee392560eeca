"""Networks on simulated cores: the same bytes as the reference's, layer by layer, and exact instructions."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import edgebnn
from edgebnn.cli.main import cli
from edgebnn.converters.c_package.generate import generate
from edgebnn.converters.write_tflite import to_bytes
from edgebnn.errors import EdgebnnError, InputError
from edgebnn.graph.execute import run
from edgebnn.graph.ops import OPS
from edgebnn.graph.types import Graph
from edgebnn.kernels.cores import CORES
from edgebnn.targets import TARGETS
from edgebnn.targets.cortex_m import simulate
from edgebnn.targets.cortex_m.network import compile_package
from edgebnn.targets.model_file import ModelFile, open_model
from tests.support import c_graphs

X = np.random.default_rng(0).integers(-128, 128, (1, 4, 5)).astype(np.int8)


def small_graph(length: int = 1) -> Graph:
    """A sigmoid, its ReLU, and that flattened, as LiteRT takes it, too."""
    graph = c_graphs.small_graph()
    tensors = tuple(replace(tensor, shape=(1, 4 * length, 5)) for tensor in graph.tensors[:3])
    reshape = replace(graph.ops[2], options=OPS["RESHAPE"].options(new_shape=(20 * length,)))
    flat = replace(graph.tensors[3], shape=(20 * length,))
    return replace(graph, tensors=(*tensors, flat), ops=(*graph.ops[:2], reshape))


def test_there_is_a_target_for_every_core() -> None:
    assert set(CORES) <= set(TARGETS)


@pytest.mark.parametrize("core", CORES)
def test_every_core_answers_what_the_reference_does(core: str) -> None:
    target = edgebnn.target(core)
    found = target.validate(small_graph(), count=3, layers=True)
    assert (found.passed, found.bit_exact, found.samples, found.target) == (True, True, 3, core)
    assert found.layers is not None
    assert [(layer.op, layer.bit_exact) for layer in found.layers] == [
        ("LOGISTIC", True),
        ("RELU", True),
        ("RESHAPE", True),
    ]
    (output,) = target.open(open_model(small_graph())).run((X,))
    np.testing.assert_array_equal(output, run(small_graph(), (X,))[0])


def test_a_wrong_layer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lookup table of the second op is another one's: it is the second layer that departs."""
    from edgebnn.converters.c_package.lowering import LOWERINGS
    from edgebnn.targets.cortex_m import target as module

    def generate(graph, core, name, schedules):  # type: ignore[no-untyped-def]
        wrong = replace(graph, ops=(graph.ops[0], replace(graph.ops[1], kind="TANH"), graph.ops[2]))
        return real(wrong, core, name, schedules)

    assert "TANH" in LOWERINGS
    real = module.generate
    monkeypatch.setattr(module, "generate", generate)
    found = edgebnn.target("cortex-m4").validate(small_graph(), layers=True)
    assert not found.passed
    assert found.first_departure is not None
    assert (found.first_departure.index, found.first_departure.op) == (1, "RELU")


def test_instructions_are_exact_and_add_up() -> None:
    target = edgebnn.target("cortex-m4")
    first, again = (target.profile(small_graph()) for _ in range(2))
    assert first == again
    assert (first.kind, first.unit) == ("simulated", "instructions")
    assert [(op.index, op.op) for op in first.ops] == [(0, "LOGISTIC"), (1, "RELU"), (-1, "INTERPRETER")]
    assert first.total == sum(op.value for op in first.ops)
    assert sum(op.share for op in first.ops) == pytest.approx(1)
    grown = target.profile(small_graph(50))
    per_element = (grown.ops[0].value - first.ops[0].value) / 980
    assert 3 <= per_element <= 8
    assert grown.ops[-1].value == first.ops[-1].value


def test_cycles_are_estimated_where_they_are_asked_for() -> None:
    target = edgebnn.target("cortex-m4").in_unit("cycles")
    found, counted = target.profile(small_graph()), edgebnn.target("cortex-m4").profile(small_graph())
    assert (found.kind, found.unit, target.kind) == ("estimated", "cycles", "estimated")
    assert 1 < found.total / counted.total < 2
    slow = edgebnn.target("cortex-m4").in_unit("cycles", wait_states=5)
    assert slow.profile(small_graph()).total > found.total
    assert slow.device.endswith("cycles by a model with 5 wait states")
    for unit, waits, why in (("ms", 0, "has no clock"), ("instructions", 2, "ask for cycles")):
        with pytest.raises(InputError, match=why):
            target.in_unit(unit, waits)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="host: tells ms; only simulated cores"):
        edgebnn.target("host").in_unit("cycles")


def test_benchmark_compares_counts(tmp_path: Path) -> None:
    for name, graph in (("short", small_graph()), ("long", small_graph(50))):
        (tmp_path / f"{name}.tflite").write_bytes(to_bytes(graph))
    short, long = (str(tmp_path / f"{name}.tflite") for name in ("short", "long"))
    command = ["benchmark", short, "--target", "cortex-m33", "--against", long]
    value = json.loads(CliRunner().invoke(cli, [*command, "--json"]).stdout)
    totals = [edgebnn.target("cortex-m33").profile(path).total for path in (short, long)]
    assert (value["kind"], value["unit"], value["median_ms"]) == ("simulated", "instructions", None)
    assert (value["value"], value["against"]["value"]) == tuple(totals)
    assert value["against"]["ratio"] == totals[1] / totals[0]
    assert f"{totals[0]:,.0f}" in CliRunner().invoke(cli, command).output
    refused = CliRunner().invoke(cli, [*command[:-1], "litert"])
    assert refused.exit_code != 0


def test_targets_are_listed_with_what_they_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    from edgebnn import targets

    found = {one.name: one for one in targets.targets()}
    listed = [*TARGETS, "ssh://user@host"]
    assert list(found) == listed
    assert (found["cortex-m7"].kind, found["cortex-m7"].unit) == ("simulated", "instructions")
    value = json.loads(CliRunner().invoke(cli, ["targets", "--json"]).stdout)
    assert [one["name"] for one in value["targets"]] == listed
    monkeypatch.setitem(sys.modules, "edgebnn.targets.cortex_m.target", None)
    lacking = {one.name: one for one in targets.targets()}["cortex-m7"]
    assert (lacking.available, lacking.kind) == (False, None)
    assert "pip install 'edgebnn[mcu]'" in lacking.detail


def test_kernels_are_compiled_once_and_again_when_they_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEBNN_CACHE", str(tmp_path))
    made = generate(small_graph(), CORES["cortex-m4"], "network")
    before = compile_package(made).flash_bytes
    kept = sorted(tmp_path.rglob("*.o"))
    times = [path.stat().st_mtime_ns for path in kept]
    other = generate(small_graph(50), CORES["cortex-m4"], "network")
    compile_package(other)
    assert sorted(tmp_path.rglob("*.o")) == kept
    assert [path.stat().st_mtime_ns for path in kept] == times
    larger = made.files["lookup.c"] + "\nconst int eb_more = 1;\n"
    changed = replace(made, files={**made.files, "lookup.c": larger})
    assert compile_package(changed).flash_bytes == before
    assert len(sorted(tmp_path.rglob("*.o"))) == len(kept) + 1
    header = replace(made, files={**made.files, "lookup.h": made.files["lookup.h"] + "\n"})
    compile_package(header)
    assert len(sorted(tmp_path.rglob("*.o"))) > len(kept) + 1, "headers count, too"


def test_what_cannot_be_simulated_is_refused_with_the_file() -> None:
    target = edgebnn.target("cortex-m3")
    with pytest.raises(InputError, match=r"cortex-m3: has one core; leave --threads at 1"):
        target.open(open_model(small_graph()), threads=2)
    graph = small_graph()
    odd = replace(graph, ops=(*graph.ops[:2], replace(graph.ops[2], kind="UNKNOWN")))
    with pytest.raises(EdgebnnError, match=r"^small: layer 'flat': op UNKNOWN is not supported"):
        target.open(ModelFile("small", to_bytes(small_graph()), odd))


def test_validate_and_profile_from_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "small.tflite"
    path.write_bytes(to_bytes(small_graph()))
    result = CliRunner().invoke(cli, ["profile", str(path), "--target", "cortex-m0plus", "--json"])
    assert result.exit_code == 0, result.output
    value = json.loads(result.stdout)
    assert (value["kind"], value["unit"], value["target"]) == ("simulated", "instructions", "cortex-m0plus")
    result = CliRunner().invoke(cli, ["validate", str(path), "--target", "cortex-m7", "--layers", "--json"])
    assert json.loads(result.stdout)["bit_exact"] is True


def test_sizes_that_a_file_leaves_open_are_those_of_the_input(tmp_path: Path) -> None:
    graph = small_graph()
    tensors = (replace(graph.tensors[0], shape_signature=(1, -1, 5)), *graph.tensors[1:3])
    path = tmp_path / "open.tflite"
    path.write_bytes(to_bytes(replace(graph, tensors=tensors, ops=graph.ops[:2], outputs=(2,))))
    target = edgebnn.target("cortex-m4")
    short, long = (np.zeros((1, rows, 5), np.int8) for rows in (4, 200))
    assert target.validate(path, long).bit_exact
    assert target.profile(path, long).total > 10 * target.profile(path, short).total
    session = target.open(open_model(path))
    assert [session.run((x,))[0].shape for x in (short, long)] == [(1, 4, 5), (1, 200, 5)]


def test_single_numbers_are_arrays_without_axes() -> None:
    call = simulate("cortex-m0plus", ["void put(float *x) { *x += 1; }"], "put", np.array(2, np.float32))
    assert (call.arrays[0].shape, float(call.arrays[0])) == ((), 3)
