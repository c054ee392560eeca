"""Who may import whom: every import of the package, those for types and inside functions included, goes downward."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TREES = {"edgebnn": ROOT / "edgebnn", "edgebnn.converters": ROOT / "converters", "edgebnn.targets": ROOT / "targets"}

COMMON = {"errors", "files", "machine", "preprocessing", "user_modules"}
"""Small modules beside the rooms, for everybody."""
TENSORFLOW = {"_tensorflow", "_tfmot"}
DEPLOYMENT = {"arithmetic", "kernels", "graph", "dataflow", "runtime", "compat", "converters", "targets"}
TRAINING = {"models", "training", "pruning"}

MAY_IMPORT = {
    "errors": set(),
    "files": {"errors"},
    "machine": {"errors"},
    "preprocessing": {"errors"},
    "user_modules": {"errors"},
    "_tensorflow": {"errors"},
    "_tfmot": {"errors", "_tensorflow"},
    "arithmetic": COMMON,
    "kernels": COMMON,
    "graph": COMMON | {"arithmetic", "kernels"},
    "dataflow": COMMON | {"arithmetic", "kernels", "graph"},
    "runtime": COMMON | {"arithmetic", "kernels", "graph"},
    "compat": COMMON | {"arithmetic", "kernels", "graph", "runtime"},
    "converters": COMMON | {"arithmetic", "kernels", "graph", "dataflow", "runtime", "_tensorflow"},
    "targets": COMMON | {"arithmetic", "kernels", "graph", "dataflow", "runtime", "converters"},
    "models": COMMON | TENSORFLOW | {"arithmetic", "graph", "dataflow"},
    "training": COMMON | TENSORFLOW | {"arithmetic", "graph", "dataflow", "models"},
    "pruning": COMMON | TENSORFLOW | {"arithmetic", "graph", "dataflow", "models", "training"},
    "reports": COMMON | TENSORFLOW | DEPLOYMENT | TRAINING,
    "workflows": COMMON | TENSORFLOW | DEPLOYMENT | TRAINING | {"reports"},
    "demo": COMMON | TENSORFLOW | DEPLOYMENT | TRAINING | {"reports", "workflows"},
    "cli": {"edgebnn"} | COMMON | TENSORFLOW | DEPLOYMENT | TRAINING | {"reports", "workflows", "demo"},
    "__main__": {"cli"},
}
"""The directions of the layout. ``edgebnn/__init__.py`` is the public API over all rooms, and no room imports it."""


def modules() -> dict[str, Path]:
    """Every module of the package by the name it is imported under."""
    found = {}
    for prefix, tree in TREES.items():
        for path in tree.rglob("*.py"):
            parts = [prefix, *path.relative_to(tree).with_suffix("").parts]
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(name: str, path: Path) -> Iterator[str]:
    """The dotted names that a module's import statements could mean, wherever in the file they stand."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            head = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{head}.{alias.name}" for alias in node.names)


def resolve(dotted: str, known: dict[str, Path]) -> str | None:
    """The module of ours that an import of ``dotted`` (a module, or a name in one) loads."""
    owner = dotted.rpartition(".")[0]
    return dotted if dotted in known else owner if owner in known else None


@pytest.fixture(scope="module")
def arrows() -> dict[str, set[str]]:
    """Importing module -> imported modules, for all of ours."""
    known = modules()
    graph = {}
    for name, path in known.items():
        targets = {resolve(dotted, known) for dotted in imported(name, path)}
        graph[name] = {target for target in targets if target is not None and target != name}
    assert len(graph) > 100
    return graph


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else "edgebnn"


def test_no_import_goes_up(arrows: dict[str, set[str]]) -> None:
    wrong = [
        f"{name} imports {target}"
        for name, targets in arrows.items()
        if room(name) != "edgebnn"
        for target in sorted(targets)
        if room(target) not in MAY_IMPORT[room(name)] | {room(name)}
    ]
    assert wrong == []


def test_no_circle_of_files(arrows: dict[str, set[str]]) -> None:
    try:
        tuple(TopologicalSorter(arrows).static_order())
    except CycleError as error:
        pytest.fail(f"imports run in a circle: {' <- '.join(error.args[1])}")


def test_tensorflow_has_one_entrance(arrows: dict[str, set[str]]) -> None:
    """Through ``_tensorflow`` and ``_tfmot`` alone; in the deployment wing only to convert Keras models."""
    stack = {"tensorflow", "tf_keras", "keras", "larq", "tensorflow_model_optimization"}
    entrances = {"edgebnn._tensorflow", "edgebnn._tfmot"}
    for name, path in modules().items():
        loads = {dotted.split(".")[0] for dotted in imported(name, path)}
        assert name in entrances or not loads & stack, f"{name} imports {', '.join(sorted(loads & stack))}"
        if room(name) in DEPLOYMENT and not name.startswith("edgebnn.converters.from_keras"):
            assert not arrows[name] & entrances, f"{name} loads TensorFlow"
            assert "larq_compute_engine" not in loads, f"{name} loads LCE, which loads TensorFlow"
