#!/usr/bin/env python3
"""Instructions of whole networks on emulated Raspberry Pis: LiteRT with our delegate, one thread, one inference.

Usage: .venv/bin/python -m tools.bench.arm_networks [--network NAME]... [--zoo] [--around float|int8] [--before LIBRARY]
       [--cache DIR] [--json FILE] [--markdown FILE]

Needs ziglang and Debian's qemu-user, beside what emulated targets need: qemu-user-static takes no plugins. Counted is
all from one call of invoke() in Python to its return, by a plugin of qemu's translator (``count_marked.c``): exact but
for some ten instructions of Python's, and no time. ``--before`` names the delegate of another commit, whose path this
prints in a checkout of it:
    PYTHONPATH=. python -c "from edgebnn.runtime.build import cross_library as made
    print(made('aarch64', 'aarch64-linux-gnu.2.17'))"
"""

from __future__ import annotations

import argparse
import io
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from zipfile import ZipFile

from edgebnn.errors import EdgebnnError, InputError
from edgebnn.files import cache_folder, digest
from edgebnn.runtime import build
from edgebnn.targets.linux import bundle, user_lands
from tools.bench import networks
from tools.bench.publishing import command_line, publish

EMULATOR = "qemu-aarch64"
PLUGIN = build.Source(Path(__file__).parent / "count_marked.c")
INFERENCE = Path(__file__).parent / "marked_inference.py"
PI_5 = user_lands.SYSTEMS["bookworm-arm64"]
PI_4 = replace(
    PI_5,
    cpu="cortex-a72",
    cpuinfo="""\
processor\t: 0
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm crc32 cpuid
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x0
CPU part\t: 0xd08
CPU revision\t: 3
""",
)
SYSTEMS = {"Raspberry Pi 4": PI_4, "Raspberry Pi 5": PI_5}


@dataclass(frozen=True)
class Count:
    """Instructions of one inference, and those of them in the delegate; ``output``: the SHA-256 of what it gave."""

    instructions: int
    delegate: int
    output: str


@dataclass(frozen=True)
class Result:
    """Of one network on one device; ``before``: with the other library, if one is named."""

    network: str
    around: networks.Around
    device: str
    cpu: str
    now: Count
    before: Count | None


@dataclass(frozen=True)
class Counter:
    """The plugin, compiled, and a folder of the wheels that emulated devices import."""

    plugin: Path
    wheels: Path

    @staticmethod
    def made(folder: Path) -> Counter:
        """Raises EdgebnnError."""
        if shutil.which(EMULATOR) is None:
            raise InputError(f"{EMULATOR} is not installed; apt-get install --no-install-recommends qemu-user")
        counter = Counter(folder / "count_marked.so", folder / "wheels")
        build.compile(counter.plugin, [PLUGIN], build.find_compiler())
        major, minor = map(int, PI_5.python.split("."))
        for wheel in bundle.wheels(PI_5.processor, (major, minor), (2, PI_5.glibc)):
            ZipFile(io.BytesIO(wheel.data)).extractall(counter.wheels)
        return counter

    def count(self, system: user_lands.System, model: Path, delegate: Path) -> Count:
        """Raises EdgebnnError."""
        root = user_lands.make(system, cache_folder() / "arm").root
        land = user_lands.UserLand(replace(system, emulator=EMULATOR), root)
        output = self.plugin.with_name("output.npy")
        given = (str(path.resolve()) for path in (INFERENCE, model, delegate, output))
        done = land.run(list(given), PYTHONPATH=str(self.wheels), QEMU_PLUGIN=str(self.plugin))
        counts = re.findall(r"^counted (\d+) (\d+)$", done.stderr, re.MULTILINE)
        if done.returncode != 0 or not counts:
            raise EdgebnnError(
                f"{model.name} on {system.cpu}: {(done.stderr.splitlines() or ['nothing is counted'])[-1]}"
            )
        instructions, inside = map(int, counts[-1])
        return Count(instructions, inside, digest(output.read_bytes()))


def markdown(results: Sequence[Result]) -> str:
    lines = [
        "Instructions of one inference, in millions: emulated (qemu-user), exact.",
        "",
        "| network | device | now | in the delegate | before | before / now | outputs |",
        "|---|---|---|---|---|---|---|",
    ]
    for r in results:
        own = f"{r.now.instructions / 1e6:.2f} | {r.now.delegate / 1e6:.2f}"
        lines.append(f"| {r.network}, {r.around} around | {r.device} ({r.cpu}) | {own} | {_compared(r)} |")
    return "\n".join(lines) + "\n"


def _compared(result: Result) -> str:
    if result.before is None:
        return "- | - | -"
    same = "equal" if result.before.output == result.now.output else "differ"
    ratio = result.before.instructions / result.now.instructions
    return f"{result.before.instructions / 1e6:.2f} | {ratio:.2f} | {same}"


def _counted(counter: Counter, name: str, options: argparse.Namespace) -> list[Result]:
    model = counter.plugin.with_name("model.tflite")
    model.write_bytes(networks.content(name, options.cache, options.around))
    own, results = bundle.device_library(PI_5.processor), []
    for device, system in SYSTEMS.items():
        print(f"counting {name} on {device}", file=sys.stderr, flush=True)
        before = counter.count(system, model, options.before) if options.before else None
        now = counter.count(system, model, own)
        results.append(Result(name, options.around, device, system.cpu, now, before))
    return results


def main() -> None:
    parser = command_line(__doc__)
    networks.add_options(parser)
    parser.add_argument("--before", type=Path, metavar="LIBRARY", help="a delegate for AArch64 to compare with")
    options = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as folder:
            counter = Counter.made(Path(folder))
            results = [result for name in networks.chosen(options) for result in _counted(counter, name, options)]
    except EdgebnnError as error:
        sys.exit(f"arm_networks: {error}")
    publish(options, markdown(results), {"kind": "emulated", "networks": [asdict(result) for result in results]})


if __name__ == "__main__":
    main()
