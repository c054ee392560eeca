"""What tables for the terminal are made of.

Names come from model files: they are put into :class:`rich.text.Text`, so that none is taken for markup.
"""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text


def new_table(*columns: str) -> Table:
    """A table with the columns that name things; the rest are the caller's."""
    table = Table(box=SIMPLE_HEAD, caption_justify="left", pad_edge=False)
    for column in columns:
        short = column in ("#", "level")
        table.add_column(column, justify="right" if column == "#" else "left", no_wrap=short, overflow="fold")
    return table


def plain(name: str, style: str = "") -> Text:
    """Text without markup or control characters, which a hostile file could send to the terminal."""
    return Text("".join(c if c.isprintable() else "\ufffd" for c in name), style)
