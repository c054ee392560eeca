from __future__ import annotations

from dataclasses import asdict

from edgebnn.converters.read_tflite import read
from edgebnn.graph.analysis import analyze
from edgebnn.graph.counts import macs
from edgebnn.graph.liveness import peak_arena_bytes
from tests.support.topologies import lce_bytes


def test_the_fields_are_those_that_the_command_line_promises() -> None:
    content = lce_bytes("residual_int8")
    fields = asdict(analyze(read(content), len(content)))
    assert list(fields["ops"][0]) == ["index", "op", "name", "macs", "weight_bytes", "output_bytes"]
    assert list(fields["ops"][0]["macs"]) == ["binary", "w1a8", "int8", "float"]
    assert list(fields["totals"]) == [
        "macs", "weight_bytes", "file_bytes", "peak_arena_bytes", "arena_lower_bound_bytes"
    ]  # fmt: skip


def test_totals_are_the_sums_of_the_ops() -> None:
    content = lce_bytes("residual_int8")
    analysis = analyze(read(content), len(content))
    for precision in ("binary", "int8"):
        per_op = [getattr(op.macs, precision) for op in analysis.ops]
        assert sum(per_op) == getattr(analysis.totals.macs, precision) > 0
    assert analysis.totals.file_bytes == len(content) > analysis.totals.weight_bytes
    assert [op.index for op in analysis.ops] == list(range(len(analysis.ops)))


def test_totals_are_what_the_counting_functions_give() -> None:
    content = lce_bytes("residual_int8")
    graph, totals = read(content), analyze(read(content), len(content)).totals
    assert (macs(graph), peak_arena_bytes(graph)) == (totals.macs, totals.peak_arena_bytes)
