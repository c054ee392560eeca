"""Counted instructions against qemu's own execution of one instruction after the other."""

from __future__ import annotations

import importlib.util
import subprocess
from pathlib import Path

import pytest

from edgebnn.errors import InputError
from edgebnn.runtime import build
from edgebnn.targets.qemu_user import MACHINES, PACKAGE, Machine, count_sections, is_emulated

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("ziglang") is None, reason="the ziglang wheel is not installed"
)

SOURCE = """
#include <string.h>
#include <unistd.h>
void mark(int at);
__attribute__((noinline)) void mark(int at) { __asm__ volatile("" : : "r"(at)); }
volatile int sum;
int main(void) {
  char data[300] = {0};
  const long size = read(0, data, sizeof data);
  for (int j = 1; j < 4; ++j) {
    mark(j);
    for (int i = 0; i < 500 * j; ++i) sum += data[i % 300] * j;
  }
  mark(0);
  const int is_wrong = data[0] == 77;
  memset(data, sum, (size_t)size);
  return is_wrong || data[0] != data[size - 1];
}
"""


def one_by_one(machine: Machine, program: Path, data: bytes) -> int:
    """What qemu logs where each instruction is a block of its own."""
    told = subprocess.run([machine.emulator, "-h"], capture_output=True, text=True, check=False).stdout
    alone = "-one-insn-per-tb" if "one-insn-per-tb" in told else "-singlestep"
    command = [machine.emulator, "-cpu", machine.cpu, alone, "-d", "exec,nochain", str(program)]
    done = subprocess.run(command, input=data, capture_output=True, check=True)
    return sum(line.startswith(b"Trace ") for line in done.stderr.splitlines())


@pytest.mark.parametrize("name", MACHINES)
def test_counts_are_exact(name: str, tmp_path: Path) -> None:
    machine = MACHINES[name]
    if not is_emulated(machine):
        pytest.skip(f"{machine.emulator} is not installed: apt-get install {PACKAGE}")
    source, program = tmp_path / "marked.c", tmp_path / "marked"
    source.write_text(SOURCE)
    build.compile(program, [build.Source(source)], build.zig_compiler(machine.zig_target), ("-O2",), ("-static",))
    sections = count_sections(machine, program, "mark", b"\1" * 200)
    assert len(sections) == 5
    all_of_it = one_by_one(machine, program, b"\1" * 200)
    in_mark = {"aarch64": 1, "armv7": 3}[name]  # a return alone, or with a frame pointer
    assert sum(sections) + 4 * in_mark == all_of_it
    first, second, third = sections[1:4]
    assert 500 * 5 < first < second - 500 * 5 < third - 2 * 500 * 5
    assert count_sections(machine, program, "mark", b"\1" * 200) == sections
    assert count_sections(machine, program, "absent", b"\1" * 200) == (all_of_it,)
    with pytest.raises(InputError, match=f"marked failed under {machine.emulator}: exit 1"):
        count_sections(machine, program, "mark", b"\x4d" * 300)
