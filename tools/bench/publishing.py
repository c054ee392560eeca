"""What every benchmark does with its results: a table on standard output, and files if they are asked for."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgebnn import machine
from edgebnn.files import write_text


def command_line(documentation: str | None) -> argparse.ArgumentParser:
    """A parser described by the first line of a module's ``documentation``, with ``--json`` and ``--markdown``."""
    parser = argparse.ArgumentParser(description=(documentation or "").splitlines()[0])
    parser.add_argument("--json", type=Path, help="write the results to this file")
    parser.add_argument("--markdown", type=Path, help="write the table to this file")
    return parser


def publish(options: argparse.Namespace, table: str, results: Mapping[str, Any], threads: int = 1) -> None:
    """Print ``table``, and write what ``options`` ask for: it, and ``results`` with the machine that was measured."""
    print(table, end="")
    if options.markdown:
        write_text(options.markdown, table)
    if options.json:
        fields = {"machine": machine.describe(), "class": machine.cpu_class(), "kind": "measured", "threads": threads}
        write_text(options.json, json.dumps({**fields, **results}, indent=1) + "\n")
