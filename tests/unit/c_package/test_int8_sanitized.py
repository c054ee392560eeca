"""The plain int8 kernels under the sanitizers of addresses and of undefined behaviour, by self-tests of packages."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from edgebnn.converters.c_package.generate import generate
from edgebnn.kernels.cores import PORTABLE
from tests.support.c_packages import SANITIZERS, STRICT, write_files
from tests.support.int8_layers import convolution, dense, depthwise
from tests.support.op_cases.base import Case
from tests.support.op_cases.drawing import drawn

KINDS = (
    *("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED", "BATCH_MATMUL", "ADD", "SUB", "MUL"),
    *("AVERAGE_POOL_2D", "MAX_POOL_2D", "MEAN", "SOFTMAX"),
)


def test_no_kernel_leaves_its_arrays(tmp_path: Path) -> None:
    cases: list[Case] = [case for kind in KINDS for case in drawn(kind, 4)[1:]]
    layers = [convolution((5, 4), (6, 4), groups=2), depthwise((4, 5), 5, stride=(2, 1)), dense(2, 9, 3)]
    packages = [
        generate(graph, PORTABLE, f"net{number}")
        for number, graph in enumerate([*(case.graph for case in cases), *layers])
    ]
    names = sorted({name for package in packages for name in write_files(package, tmp_path)})
    calls = "".join(f"  if ({p.name}_selftest() != 0) return {number + 1};\n" for number, p in enumerate(packages))
    includes = "".join(f'#include "{package.name}.h"\n' for package in packages)
    (tmp_path / "main.c").write_text(f"{includes}int main(void) {{\n{calls}  return 0;\n}}\n")
    command = ["gcc", "-std=c99", "-O1", "-g", *STRICT, *SANITIZERS, "main.c", *names, "-o", "main"]
    subprocess.run(command, cwd=tmp_path, check=True)
    environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
    done = subprocess.run(["./main"], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.returncode} of {len(packages)}: {done.stderr[-2000:]}"
