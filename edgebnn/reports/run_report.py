"""A folder of files as one HTML page: cards of its models, every device they were measured on, how they came about.

The page needs no network. What it says is read from what lies in the folder: ``.tflite`` files and the metadata in
them, records of ``edgebnn benchmark``, the history of a pruning, the metrics of a training.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from edgebnn import machine
from edgebnn.errors import EdgebnnError, InputError, ModelFormatError
from edgebnn.files import digest, unreadable, write_text
from edgebnn.graph import metadata
from edgebnn.graph.analysis import Analysis, analyze
from edgebnn.graph.kept_metadata import kept
from edgebnn.graph.metadata import Metadata
from edgebnn.runtime.profile import OpProfile

try:
    from markupsafe import Markup
    from matplotlib.figure import Figure
except ImportError as error:
    raise EdgebnnError(f"reports need jinja2 and matplotlib ({error}): pip install 'edgebnn[reports]'") from error

from . import comparison, format, html, plots, pruning, pruning_plots
from .charts import in_page
from .data import Benchmark, Epoch

GENERATOR = '<meta name="generator" content="edgebnn">'
PAGE = "report.html"
_DEMO, _HISTORY, _METRICS = "report.json", "history.json", "metrics.jsonl"
_LABELS = 12
"""Names of classes that are shown of many."""


@dataclass(frozen=True)
class Card:
    """One model file. ``analysis`` is None where the IR does not hold it, which ``unread`` explains; ``records`` are
    those of the very same file; ``ops`` the times of its ops by index, where one of them has them, from ``ops_of``."""

    path: Path
    sha256: str
    bytes: int
    facts: Metadata | None
    analysis: Analysis | None
    unread: str
    records: tuple[Benchmark, ...]

    @property
    def title(self) -> str:
        return (self.facts.name if self.facts is not None else "") or self.path.stem

    @property
    def ops_of(self) -> Benchmark | None:
        return next((record for record in self.records if record.ops), None)

    @property
    def ops(self) -> dict[int, OpProfile]:
        return {} if self.ops_of is None else {op.index: op for op in self.ops_of.ops}

    @property
    def labels(self) -> str:
        names = self.facts.labels if self.facts is not None else ()
        return ", ".join((*names[:_LABELS], *(["..."] if len(names) > _LABELS else [])))


@dataclass(frozen=True)
class RunReport:
    """All that a page tells. ``others`` are records of files that are not there; ``trained`` what a saved Keras model
    says of itself."""

    folder: str
    cards: tuple[Card, ...]
    others: tuple[Benchmark, ...]
    trained: Metadata | None
    history: dict[str, Any] | None
    epochs: tuple[Epoch, ...]
    versions: dict[str, str]

    @property
    def records(self) -> tuple[Benchmark, ...]:
        """All, times before counts, the least first."""
        found = [*(record for card in self.cards for record in card.records), *self.others]
        return tuple(sorted(found, key=lambda record: (record.unit != "ms", record.unit, record.value)))


def write(folder: Path, more: Sequence[Path], page: Path) -> None:
    """Write the page of a folder.

    Args:
        folder: a run's, or any that holds models or records.
        more: files besides: models and records.
        page: where to.

    Raises:
        InputError: there is nothing to tell, a file given cannot be read, or the page is somebody else's.
    """
    if page.exists() and GENERATOR not in page.read_text(encoding="utf-8", errors="replace"):
        raise InputError(f"{page}: is there, and no page of edgebnn's; give another name with -o")
    if (folder / _DEMO).is_file():
        write_text(page, html.render(html.read(folder / _DEMO)))
        return
    write_text(page, render(gather(folder, more)))


def check_folder(folder: Path) -> None:
    """Raises InputError where a folder is none."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; give the folder that holds it, or name it behind that: --with {folder}")
    if not folder.exists():
        raise InputError(f"{folder}: there is no such folder")


def gather(folder: Path, more: Sequence[Path] = ()) -> RunReport:
    """What a folder, and files besides, tell. Raises InputError as :func:`write` does."""
    check_folder(folder)
    models = [*sorted(folder.glob("*.tflite")), *(path for path in more if path.suffix == ".tflite")]
    found = [comparison.read(path) for path in more if path.suffix != ".tflite"]
    for path in sorted(folder.glob("*.json")):
        try:
            found.append(comparison.read(path))
        except InputError:  # another file of the run's
            continue
    cards = tuple(_card(path, found) for path in dict.fromkeys(models))
    known = {card.sha256 for card in cards}
    report = RunReport(
        folder=folder.resolve().name,
        cards=cards,
        others=tuple(record for record in found if record.sha256 not in known),
        trained=next((facts for path in sorted(folder.glob("*.keras")) if (facts := kept(path))), None),
        history=_history(folder / _HISTORY),
        epochs=_epochs(folder / _METRICS),
        versions=machine.versions(),
    )
    if not (report.cards or report.others or report.history or report.epochs):
        raise InputError(f"{folder}: holds no model (.tflite), record, pruning or training; is it the folder of a run?")
    return report


def render(report: RunReport) -> str:
    """The whole page; names from files are escaped."""
    charts = {}
    if report.history is not None:
        history = report.history
        words = f"from {format.amount(history['initial'], history['unit'])} {history['unit']}"
        charts["accuracy"] = pruning_plots.accuracy_by_resource(
            history, lambda figure: _in_page(figure, "accuracy", f"Accuracy by {history['resource']}, {words}")
        )
        charts["widths"] = pruning_plots.widths_by_iteration(history, _widths_in_page)
    if report.epochs[1:]:
        charts["training"] = plots.training_curve(report.epochs)
    return (
        html.environment()
        .get_template("run.html.j2")
        .render(
            report=report,
            title=report.cards[0].title if len(report.cards) == 1 else report.folder,
            charts={name: Markup(svg) for name, svg in charts.items()},
            stages=pruning.STAGES,
            widths=() if report.history is None else pruning_plots.lines_of_widths(report.history),
            kind=None if report.history is None else pruning.kind(report.history),
        )
    )


def _in_page(figure: Figure, prefix: str, words: str) -> str:
    """Without the label of the vertical axis, for which a phone has no room: the heading says the same."""
    figure.axes[0].set_ylabel("")
    return in_page(figure, prefix, words)


def _widths_in_page(figure: Figure) -> str:
    """The page has the key: beside the lines it would be cut off on a phone."""
    if (legend := figure.axes[0].get_legend()) is not None:
        legend.remove()
    return _in_page(figure, "widths", "Channels left after each iteration")


def _card(path: Path, records: Sequence[Benchmark]) -> Card:
    from edgebnn.targets.model_file import open_model

    file = open_model(path)
    sha256 = digest(file.content)
    own = tuple(record for record in records if record.sha256 == sha256)
    try:
        graph = file.graph
    except EdgebnnError as error:
        return Card(path, sha256, len(file.content), None, None, str(error), own)
    try:
        facts = metadata.parse(graph.metadata, graph.attachment, file.name)
        return Card(path, sha256, len(file.content), facts, analyze(graph, len(file.content)), "", own)
    except (ModelFormatError, InputError) as error:
        return Card(path, sha256, len(file.content), None, None, str(error), own)


_OF_HISTORY = {"resource", "unit", "kind", "initial", "initial_widths", "budget", "final", "met", "accuracy"}
_OF_HISTORY |= {"held_out_accuracy"}
_OF_ITERATION = {"iteration", "layer", "widths", "predicted", "measured", "accuracy", "proposals"}


def _history(path: Path) -> dict[str, Any] | None:
    """The history of a pruning; None where there is none, or a file of that name that is something else."""
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_bytes())
    except OSError as error:
        raise unreadable(path, error) from None
    except ValueError:
        raise InputError(f"{path}: is not JSON; the pruning that wrote it goes on with --resume") from None
    if not isinstance(found, dict) or "iterations" not in found:
        return None
    try:
        whole = found.keys() >= _OF_HISTORY and all(one.keys() >= _OF_ITERATION for one in found["iterations"])
    except (AttributeError, TypeError):
        whole = False
    if not whole:
        raise InputError(f"{path}: is no whole history of a pruning; edgebnn prune --resume writes it again")
    return found


def _epochs(path: Path) -> tuple[Epoch, ...]:
    if not path.is_file():
        return ()
    names = [field.name for field in fields(Epoch)]
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return tuple(Epoch(**{name: line[name] for name in names}) for line in lines)
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(f"{path}: holds no metrics of a training") from None
