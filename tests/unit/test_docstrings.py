"""Public functions say what they take, give and raise in one form: Args, Returns, Raises."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PUBLIC = (
    *("edgebnn/preprocessing.py", "edgebnn/compat/lce.py"),
    *(f"edgebnn/runtime/{name}.py" for name in ("model", "interpreter", "profile")),
    *(f"edgebnn/graph/{name}.py" for name in ("types", "counts", "liveness", "execute", "batches", "shapes")),
    *(f"edgebnn/dataflow/{name}.py" for name in ("plan", "scheduler")),
    *(f"edgebnn/models/{name}.py" for name in ("__init__", "alexnet", "resnet")),
    *(f"edgebnn/training/{name}.py" for name in ("loop", "datasets", "evaluation", "image_folder", "recipes")),
    *(f"edgebnn/training/{name}.py" for name in ("splits", "binarization", "retraining", "named")),
    *(f"edgebnn/workflows/{name}.py" for name in ("prune", "retrain", "benchmark", "measuring")),
    *(f"converters/{name}.py" for name in ("convert", "read_tflite", "write_tflite", "lint")),
    *(f"targets/{name}.py" for name in ("__init__", "interface", "model_file", "inputs", "validate", "exporting")),
)
"""What a user of the Python interface, or whoever adds a target, imports."""

MANY = 6
"""A function of so many parameters names each of them, wherever it stands."""


def is_verb(node: ast.FunctionDef) -> bool:
    return any("verb" in ast.unparse(decorator) for decorator in node.decorator_list)


def functions(path: Path) -> Iterator[tuple[str, ast.FunctionDef]]:
    """The public functions and methods of a module with their names, but for a command's, whose help is for users."""

    def walk(body: list[ast.stmt], prefix: str) -> Iterator[tuple[str, ast.FunctionDef]]:
        for node in body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                yield from walk(node.body, f"{node.name}.")
            elif isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and not is_verb(node):
                yield prefix + node.name, node

    yield from walk(ast.parse(path.read_text(encoding="utf-8")).body, "")


def parameters(node: ast.FunctionDef) -> list[str]:
    given = node.args
    named = [*given.posonlyargs, *given.args, *given.kwonlyargs, *filter(None, [given.vararg, given.kwarg])]
    return [argument.arg for argument in named if argument.arg not in ("self", "cls")]


def gives(node: ast.FunctionDef) -> bool:
    return node.returns is not None and ast.unparse(node.returns) not in ("None", "Self")


def lacking(name: str, node: ast.FunctionDef) -> list[str]:
    """What the docstring of a function does not say."""
    text = ast.get_docstring(node) or ""
    described = re.search(r"^Args:\n((?: .*\n|\n)*)", text + "\n", re.MULTILINE)
    entries = described[1] if described else ""
    listed = ", ".join(re.findall(r"^ {4}(\w[\w, ]*):", entries, re.MULTILINE)).split(", ")
    missing = [f"{name}: {parameter}" for parameter in parameters(node) if parameter not in listed]
    unknown = [f"{name}: no parameter {one}" for one in listed if one and one not in parameters(node)]
    returns = "\nReturns:\n" in text or "\nYields:\n" in text or not gives(node)
    return missing + unknown + ([] if returns else [f"{name}: Returns"])


@pytest.mark.parametrize("module", PUBLIC)
def test_the_public_interface_names_what_it_takes_and_gives(module: str) -> None:
    found = [(name, node) for name, node in functions(ROOT / module) if len(parameters(node)) > 1]
    assert [line for name, node in found for line in lacking(name, node)] == []


def test_functions_of_many_parameters_name_them() -> None:
    modules = [path for tree in ("edgebnn", "converters", "targets") for path in sorted((ROOT / tree).rglob("*.py"))]
    found = [
        line
        for path in modules
        for name, node in functions(path)
        if len(parameters(node)) >= MANY
        for line in lacking(f"{path.relative_to(ROOT)} {name}", node)
    ]
    assert found == []
