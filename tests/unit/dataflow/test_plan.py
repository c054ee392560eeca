"""Plans of whole models: what is planned, the JSON, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from edgebnn.cli.main import cli
from edgebnn.converters.write_tflite import to_bytes
from edgebnn.dataflow import hardware
from edgebnn.dataflow.plan import plan
from edgebnn.dataflow.workload import workloads
from edgebnn.errors import InputError
from edgebnn.graph import counts
from edgebnn.graph.ops.binary import LceBconv2dOptions
from edgebnn.graph.ops.enums import Padding
from edgebnn.graph.types import ABSENT, DType, Graph, Op, Tensor
from tests.support.dataflow_layers import ALEXNET, Conv, graph_of

TINY = (Conv("first", 8, 3, 8, 3), Conv("second", 8, 8, 16, 3, 2))


def _binary_graph(channels_in: int = 40, channels_out: int = 8) -> Graph:
    words = -(-channels_in // 32)
    shape = (channels_out, 3, 3, words)
    numbers = np.ones(channels_out, np.float32)
    tensors = (
        Tensor("x", (1, 6, 6, words), DType.INT32),
        Tensor("filter", shape, DType.INT32, data=np.zeros(shape, np.int32)),
        Tensor("multiplier", (channels_out,), DType.FLOAT32, data=numbers),
        Tensor("bias", (channels_out,), DType.FLOAT32, data=numbers),
        Tensor("y", (1, 6, 6, channels_out), DType.FLOAT32),
    )
    options = LceBconv2dOptions(channels_in=channels_in, padding=Padding.SAME, pad_values=1)
    return Graph("binary", tensors, (Op("LceBconv2d", (0, 1, 2, 3, ABSENT), (4,), options),), (0,), (4,))


def test_layers_are_the_ops_that_multiply_and_accumulate() -> None:
    graph = graph_of(ALEXNET)
    layers, left = workloads(graph, 4)
    assert not left
    assert sum(layer.macs for layer in layers) == 4 * counts.macs(graph).total
    for layer in layers:
        assert layer.iterations * layer.lanes == layer.macs


def test_binary_operands_count_packed_words() -> None:
    """40 channels are two words of 32 in a file, four of 16 on Eyeriss."""
    (layer,), _ = workloads(_binary_graph())
    assert layer.bounds == (1, 1, 8, 2, 6, 6, 3, 3)
    assert (layer.bits["weights"], layer.lanes, layer.precision) == (32, 32, "binary")
    stored = layer.stored_in(16)
    assert stored.bounds[3] == 4
    assert stored.bits["inputs"] == 16
    (planned,) = plan(_binary_graph(), hardware.load("eyeriss")).layers
    weights = 8 * 3 * 3 * 4
    assert planned.operands["DRAM"]["weights"] % weights == 0
    assert planned.macs == 6 * 6 * 8 * 9 * 40


def test_layers_that_differ_in_padding_alone_cost_their_own() -> None:
    """8 x 8 with a border of zeros, and 10 x 10 without: the same loops, but a third less is read of the first."""
    padded, unpadded = Conv("padded", 8, 8, 16, 3), Conv("unpadded", 10, 8, 16, 3, same=False)
    machine = hardware.load("eyeriss")
    together = plan(graph_of((padded, unpadded)), machine).layers
    apart = [plan(graph_of((conv,)), machine).layers[0] for conv in (padded, unpadded)]
    assert [layer.energy for layer in together] == [layer.energy for layer in apart]
    assert together[0].operands["DRAM"]["inputs"] < together[1].operands["DRAM"]["inputs"]


def test_json_has_what_was_promised(tmp_path: Path) -> None:
    path = tmp_path / "tiny.tflite"
    path.write_bytes(to_bytes(graph_of(TINY)))
    result = CliRunner().invoke(cli, ["plan", str(path), "--hardware", "eyeriss", "--batch", "2", "--json"])
    assert result.exit_code == 0, result.output
    value = json.loads(result.stdout)
    assert (value["hardware"], value["batch"]) == ("Eyeriss", 2)
    assert [layer["name"] for layer in value["layers"]] == ["first", "second"]
    fields = {"macs", "active_pes", "utilization", "latency_ms", "accesses", "bytes", "energy", "mapping"}
    for layer in value["layers"]:
        assert fields <= set(layer)
        assert layer["bytes"]["DRAM"] == 2 * layer["accesses"]["DRAM"]
        assert set(layer["mapping"]["parameters"]) == set("mnepqrt")
    assert value["totals"]["macs"] == sum(layer["macs"] for layer in value["layers"])
    assert value["totals"]["energy"]["DRAM"] == sum(layer["energy"]["DRAM"] for layer in value["layers"])


def test_people_read_a_loop_nest(tmp_path: Path) -> None:
    path = tmp_path / "tiny.tflite"
    path.write_bytes(to_bytes(graph_of(TINY)))
    result = CliRunner().invoke(cli, ["plan", str(path), "--hardware", "eyeriss"])
    assert result.exit_code == 0, result.output
    assert "multiply and accumulate" in result.stdout
    assert "estimated" in result.stdout


def test_zeros_are_compressed_in_dram_only() -> None:
    graph, machine = graph_of(TINY), hardware.load("eyeriss")
    plain, coded = plan(graph, machine), plan(graph, machine, zeros=(0.8,))
    assert coded.totals["bytes"]["DRAM"] < plain.totals["bytes"]["DRAM"]
    dense = plan(graph, machine, zeros=(0.0,))
    assert dense.totals == plain.totals


@pytest.mark.parametrize(
    ("zeros", "message"), [((0.1, 0.2, 0.3, 0.4), "4 shares of zeros for 2 layers"), ((1.5,), "between 0 and 1")]
)
def test_shares_that_are_none(zeros: tuple[float, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        plan(graph_of(TINY), hardware.load("eyeriss"), zeros=zeros)


def test_a_layer_that_fits_nowhere_is_named() -> None:
    machine = hardware.load("eyeriss")
    small = replace(machine.levels[-1], capacity={"weights": 448, "inputs": 1, "outputs": 48})
    machine = replace(machine, levels=(*machine.levels[:-1], small))
    with pytest.raises(InputError, match=r"layer 'first': not even its smallest tile fits RF \(1 bytes for inputs\)"):
        plan(graph_of(TINY), machine)


def test_a_model_without_such_layers_is_refused() -> None:
    graph = replace(graph_of(TINY), ops=())
    with pytest.raises(InputError, match="nothing to plan"):
        plan(graph, hardware.load("eyeriss"))


def test_a_page_has_the_charts_and_escapes_names(tmp_path: Path) -> None:
    path, page = tmp_path / "tiny.tflite", tmp_path / "plan.html"
    path.write_bytes(to_bytes(graph_of((Conv("<b>first", 8, 3, 8, 3), TINY[1]))))
    result = CliRunner().invoke(cli, ["plan", str(path), "--hardware", "pi4", "--html", str(page)])
    assert result.exit_code == 0, result.output
    text = page.read_text(encoding="utf-8")
    assert text.count("<svg") == 3
    assert "&lt;b&gt;first" in text
    assert "<b>first" not in text
    assert "estimated" in text
