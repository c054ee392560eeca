"""What each op supports where, as `edgebnn ops` tells it."""

from __future__ import annotations

import json

from click.testing import CliRunner

from edgebnn.cli.main import cli
from edgebnn.graph.ops import OPS
from edgebnn.targets.op_support import op_support


def test_all_entries_are_listed_with_all_their_types() -> None:
    found = {one.op: [(t.input, t.output) for t in one.types] for one in op_support()}
    assert found == {kind: [(a.value, b.value) for a, b in entry.types] for kind, entry in OPS.items()}


def test_c_packages_have_a_kernel_of_everything() -> None:
    """That each computes what the reference does is tested in tests/differential/test_c_package_ops.py."""
    assert [(one.op, t) for one in op_support() for t in one.types if not t.c] == []


def test_the_host_s_kernels_are_named() -> None:
    found = {one.op: one for one in op_support()}
    assert {t.host for t in found["LceBconv2d"].types} == {"edgebnn"}
    assert [(t.input, t.exact) for t in found["SUM"].types if t.input in ("float32", "int8")] == [
        ("float32", True),
        ("int8", False),
    ]


def test_the_verb_prints_them() -> None:
    plain, as_json = (CliRunner().invoke(cli, ["ops", *more]) for more in ([], ["--json"]))
    assert "GATHER" in plain.output
    (gather,) = [one for one in json.loads(as_json.output)["ops"] if one["op"] == "GATHER"]
    assert {"input": "int8", "output": "int8", "host": "LiteRT", "exact": True, "c": True} in gather["types"]
