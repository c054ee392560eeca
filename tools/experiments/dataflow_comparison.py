#!/usr/bin/env python3
"""Row stationary against other dataflows on AlexNet, in the setting of Chen, Emer and Sze, ISCA 2016: all layers.

Usage: .venv/bin/python -m tools.experiments.dataflow_comparison FILE.json [--batch 16] [--dataflow NAME ...]

Energy of each multiply-accumulate by memory, in multiply-accumulates, for the machines isca2016-NAME, which have equal
area; estimated by the dataflow model. docs/dataflow.md shows the table. FILE.json is written after each layer.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from edgebnn.dataflow import hardware
from edgebnn.dataflow.scheduler import best
from edgebnn.dataflow.workload import DIMS, Workload
from edgebnn.errors import InputError
from edgebnn.files import write_text
from tests.support.dataflow_layers import ALEXNET, FULLY_CONNECTED, layer_of

PREFIX = "isca2016-"
NAMES = tuple(name.removeprefix(PREFIX) for name in hardware.names() if name.startswith(PREFIX))


def row(name: str, layer: Workload) -> dict[str, Any]:
    """What the best mapping of ``layer`` costs, or why there is none."""
    try:
        choice = best(layer, hardware.load(PREFIX + name), objective="energy")
    except InputError as error:
        return {"dataflow": name, "layer": layer.name, "refused": str(error)}
    energy = {level: float(value[0]) / layer.macs for level, value in choice.costs.energy.items()}
    array = choice.mapping.tiles[-2, :, 0]
    return {
        "dataflow": name,
        "layer": layer.name,
        "macs": layer.macs,
        "kind": "estimated",
        "energy_per_mac": {**energy, "total": sum(energy.values())},
        "active_pes": int(choice.costs.active_pes[0]),
        "array": {dim: int(size) for dim, size in zip(DIMS, array, strict=True) if size > 1},
    }


def means(rows: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Energy of a multiply-accumulate over all convolutions and over all dense layers, by dataflow."""
    found: dict[str, dict[str, float]] = {}
    for kind, layers in (("convolutions", ALEXNET), ("dense", FULLY_CONNECTED)):
        named = {layer.name for layer in layers}
        for name in {row["dataflow"] for row in rows}:
            own = [row for row in rows if row["dataflow"] == name and row["layer"] in named and "macs" in row]
            if len(own) == len(layers):
                total = sum(row["macs"] * row["energy_per_mac"]["total"] for row in own)
                found.setdefault(kind, {})[name] = total / sum(row["macs"] for row in own)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--dataflow", choices=NAMES, action="append")
    given = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for name in given.dataflow or NAMES:
        for conv in (*ALEXNET, *FULLY_CONNECTED):
            rows.append(row(name, layer_of(conv, given.batch)))
            write_text(given.file, json.dumps({"batch": given.batch, "rows": rows, "means": means(rows)}, indent=1))


if __name__ == "__main__":
    main()
