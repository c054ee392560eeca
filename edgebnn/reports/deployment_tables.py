"""What was deployed, for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.table import Table

from . import format
from .table_parts import new_table, plain
from .tables import validation

if TYPE_CHECKING:
    from edgebnn.targets.linux.deploying import Deployment
    from edgebnn.targets.linux.versions import Folder


def deployment(result: Deployment) -> tuple[RenderableType, ...]:
    """What was copied, how the check came out, which version is in use, and how it is started by hand."""
    total = sum(sent.bytes for sent in result.copied)
    copied = f"copied {format.size(total)} in {len(result.copied)} files" if result.copied else "copied nothing"
    lines: list[RenderableType] = [plain(f"{copied} to {result.target}"), validation(result.validation)]
    if not result.passed:
        kept = "no version is in use" if result.version is None else f"version {result.version} stays in use"
        lines.append(plain(f"the answer there is wrong, so {kept} in {result.folder}", "bold red"))
        return tuple(lines)
    how = "was in use already" if result.unchanged else "is in use"
    lines.append(f"version {result.version} {how} in {result.folder}")
    if result.schedule is not None:
        lines.append(f"following {result.schedule}, which is part of the version")
    if result.removed:
        lines.append(plain(f"removed version{'s' * (len(result.removed) > 1)} {', '.join(map(str, result.removed))}"))
    lines += [plain(f"left: {one}", "yellow") for one in result.left]
    return (*lines, f"by hand, there: {result.start}")


def versions(folder: Folder) -> Table:
    """The versions in a folder, the newest first."""
    table = new_table("version", "model", "SHA-256", "checked", "in use")
    table.title = folder.path
    for number in sorted(folder.versions, reverse=True):
        made = folder.versions[number]
        used = "yes" if number == folder.current else "withdrawn" if number in folder.withdrawn else ""
        if made is None:
            table.add_row(str(number), "manifest.json cannot be read", "", "", used)
            continue
        how = "bit-exact" if made.bit_exact else f"within {format.small(made.max_abs_diff)}"
        checked = f"{made.date[:16].replace('T', ' ')} UTC, {made.samples} samples, {how}"
        table.add_row(str(number), plain(made.model), made.sha256[:12], checked, used)
    return table
