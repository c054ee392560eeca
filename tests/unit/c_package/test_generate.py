"""What is generated: names, arguments, self-test, headers for C and C++, the same bytes every time."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

import numpy as np
import pytest

import edgebnn
from edgebnn.converters.c_package.generate import generate
from edgebnn.errors import EdgebnnError, InputError
from edgebnn.graph.ops import OPS
from edgebnn.graph.types import DType, Graph, Op, Tensor
from edgebnn.kernels.cores import CORES, PORTABLE
from tests.support.c_graphs import int8_tensor, small_graph
from tests.support.c_packages import STRICT, assert_equal_to_reference, compile_package, write_files


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(0).integers(-128, 128, (1, 4, 5)).astype(np.int8)


def test_it_computes_what_the_reference_computes(tmp_path: Path, noise: np.ndarray) -> None:
    compiled = compile_package(small_graph(), tmp_path)
    assert_equal_to_reference(compiled, small_graph(), noise)
    assert compiled.selftest() == 0


def test_outputs_that_are_inputs_constants_or_twice_the_same_are_copied(tmp_path: Path, noise: np.ndarray) -> None:
    graph = small_graph()
    constant = Tensor("constant", (3,), DType.INT32, data=np.array([1, -(2**31), 5], np.int32))
    graph = Graph("copies", (*graph.tensors, constant), graph.ops, (0,), (0, 3, 2, 4, 1))
    compiled = compile_package(graph, tmp_path)
    assert_equal_to_reference(compiled, graph, noise)
    assert compiled.selftest() == 0


def test_arguments_must_be_aligned(tmp_path: Path) -> None:
    compiled = compile_package(small_graph(), tmp_path)
    memory = np.zeros(64, np.int32).ctypes.data
    invoke = compiled.library.net_invoke
    assert invoke(ctypes.c_void_p(memory), ctypes.c_void_p(memory + 128)) == 0
    assert invoke(ctypes.c_void_p(memory + 1), ctypes.c_void_p(memory + 128)) == -1
    assert invoke(ctypes.c_void_p(memory), ctypes.c_void_p(memory + 130)) == -1


def test_the_hook_is_called_before_each_layer_and_after_the_last(tmp_path: Path) -> None:
    package = generate(small_graph(), PORTABLE, "net")
    names = write_files(package, tmp_path)
    (tmp_path / "main.c").write_text(
        '#include <stdio.h>\n#include "net.h"\n'
        'void edgebnn_profile_hook(int layer) { printf("%d ", layer); }\n'
        "int main(void) { static int8_t x[20], y[20]; net_invoke(x, y); puts(net_layer_names[1]); return 0; }\n"
    )
    subprocess.run(["gcc", "-std=c99", *STRICT, "main.c", *names, "-o", "main"], cwd=tmp_path, check=True)
    out = subprocess.run(["./main"], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert out == "0 1 2 relu\n"


def test_the_header_is_for_cpp_too(tmp_path: Path) -> None:
    package = generate(small_graph(), PORTABLE, "net")
    write_files(package, tmp_path)
    (tmp_path / "caller.cpp").write_text(
        '#include "net.h"\nint call(const int8_t *x, int8_t *y) { return net_invoke(x, y) + NET_INPUT_ZERO_POINT; }\n'
        'static_assert(NET_INPUT_ELEMENTS == 20, ""); float scale() { return NET_INPUT_SCALE; }\n'
    )
    subprocess.run(["gcc", "-std=c++17", "-x", "c++", *STRICT, "-c", "caller.cpp"], cwd=tmp_path, check=True)


def test_every_changed_bit_of_a_table_is_noticed(tmp_path: Path) -> None:
    """Bits are changed in the source, in each table."""
    package = generate(small_graph(), PORTABLE, "net")
    for number, table in enumerate(
        line for line in package.files["net.c"].splitlines() if " net_t" in line and line.endswith("= {")
    ):
        folder = tmp_path / str(number)
        names = write_files(package, folder)
        text = package.files["net.c"]
        begin = text.index("\n", text.index(table)) + 1
        first = text[begin:].split(",")[0].strip()
        changed = text[:begin] + text[begin:].replace(first, str(int(first) ^ 4), 1)
        (folder / "net.c").write_text(changed)
        (folder / "main.c").write_text('#include "net.h"\nint main(void) { return net_selftest(); }\n')
        subprocess.run(["gcc", "main.c", *names, "-o", "main"], cwd=folder, check=True)
        assert subprocess.run(["./main"], cwd=folder).returncode == 1


def test_the_same_bytes_every_time() -> None:
    first, second = (generate(small_graph(), CORES["cortex-m4"], "net") for _ in range(2))
    assert first.files == second.files


@pytest.mark.parametrize("name", ["my-model", "3d", "", "int", "class", "a b", "größe"])
def test_names_that_are_no_identifiers_are_refused_with_one_that_is(name: str) -> None:
    with pytest.raises(InputError, match=r"--name ([A-Za-z]\w*)$"):
        generate(small_graph(), PORTABLE, name)


def test_a_folder_that_is_there_is_kept(tmp_path: Path) -> None:
    out = tmp_path / "firmware"
    out.mkdir()
    (out / "mine.c").write_text("work of days")
    with pytest.raises(InputError, match="--force"):
        edgebnn.export(small_graph(), out, "portable")
    assert (out / "mine.c").read_text() == "work of days"
    edgebnn.export(small_graph(), out, "portable", force=True)
    assert (out / "small.h").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["firmware"]


def test_an_op_without_a_kernel_is_named(tmp_path: Path) -> None:
    graph = Graph(
        "odd", (int8_tensor("x"), int8_tensor("layer 7")), (Op("WHERE", (0,), (1,), OPS["RELU"].options()),), (0,), (1,)
    )
    with pytest.raises(EdgebnnError, match=r"layer 7.*WHERE"):
        edgebnn.export(graph, tmp_path / "out", "portable")
    assert not (tmp_path / "out").exists()


def test_an_unknown_target_lists_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cortex-m4"):
        edgebnn.export(small_graph(), tmp_path / "out", "z80")


def test_a_folder_that_cannot_be_put_back_is_kept_beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "firmware"
    out.mkdir()
    (out / "mine.c").write_text("work of days")
    rename = Path.rename

    def failing(path: Path, target: Path) -> Path:
        if target == out:
            raise OSError("the disk is gone")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(InputError, match="the disk is gone"):
        edgebnn.export(small_graph(), out, "portable", force=True)
    (kept,) = tmp_path.rglob("mine.c")
    assert kept.read_text() == "work of days"
