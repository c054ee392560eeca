"""The user lands of Raspberry Pi OS (Debian for ARM), to be run here by qemu-user: without a board, chroot or root.

Debian's packages for ARM are downloaded by apt into state of its own (this machine's package lists stay as they are),
and unpacked into the user's cache folder, once. What runs there is emulated: exact in its results, silent about a
board's speed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgebnn.errors import EdgebnnError

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
MIRROR = "http://deb.debian.org/debian"
PROGRAMS = ("apt-get", "dpkg-deb")


@dataclass(frozen=True)
class System:
    """A release of Raspberry Pi OS as Debian's packages make it.

    ``processor``: in the tags of wheels, of which those for glibc up to 2.``glibc`` fit; ``cpu``: for qemu;
    ``cpuinfo``: what LiteRT reads; ``packages``: beside Python's own.
    """

    name: str
    suite: str
    architecture: str
    processor: str
    glibc: int
    python: str
    emulator: str
    cpu: str
    cpuinfo: str
    packages: tuple[str, ...] = ()


# The kernel's text on a Raspberry Pi 5, and on a Pi 2: LiteRT 2.2 and newer end the process upon one for x86.
_CORTEX_A76 = """\
processor\t: 0
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x4
CPU part\t: 0xd0b
CPU revision\t: 1
"""
_CORTEX_A7 = """\
processor\t: 0
model name\t: ARMv7 Processor rev 5 (v7l)
BogoMIPS\t: 38.40
Features\t: half thumb fastmult vfp edsp neon vfpv3 tls vfpv4 idiva idivt vfpd32 lpae evtstrm
CPU implementer\t: 0x41
CPU architecture: 7
CPU variant\t: 0x0
CPU part\t: 0xc07
CPU revision\t: 5

Hardware\t: BCM2835
"""

_LIBRARIES = (
    "libc6",
    "libstdc++6",
    "libgcc-s1",
    "zlib1g",
    "libffi8",
    "libexpat1",
    "libbz2-1.0",
    "liblzma5",
    "libuuid1",
)
_PIP = ("python3-pip-whl",)
_NUMPY = ("python3-numpy", "libblas3", "liblapack3", "libgfortran5")

SYSTEMS = {
    system.name: system
    for system in (
        System(
            name="bookworm-arm64",
            suite="bookworm",
            architecture="arm64",
            processor="aarch64",
            glibc=36,
            python="3.11",
            emulator="qemu-aarch64-static",
            cpu="cortex-a76",
            cpuinfo=_CORTEX_A76,
            packages=(*_LIBRARIES, *_PIP, "libssl3"),
        ),
        System(
            name="trixie-arm64",
            suite="trixie",
            architecture="arm64",
            processor="aarch64",
            glibc=41,
            python="3.13",
            emulator="qemu-aarch64-static",
            cpu="cortex-a76",
            cpuinfo=_CORTEX_A76,
            packages=(*_LIBRARIES, *_PIP, "libssl3t64", "libzstd1"),
        ),
        System(
            name="bookworm-armhf",
            suite="bookworm",
            architecture="armhf",
            processor="armv7l",
            glibc=36,
            python="3.11",
            emulator="qemu-arm-static",
            cpu="cortex-a7",
            cpuinfo=_CORTEX_A7,
            packages=(*_LIBRARIES, *_PIP, *_NUMPY, "libssl3"),
        ),
    )
}


class UnavailableError(EdgebnnError):
    """This machine cannot make or run such a user land; the message says what it lacks."""


@dataclass(frozen=True)
class UserLand:
    """An unpacked system. ``command`` starts its Python; ``environment`` is to be added to the process's."""

    system: System
    root: Path

    @property
    def command(self) -> tuple[str, ...]:
        return (
            self.system.emulator,
            "-L",
            str(self.root),
            str(self.root / "usr" / "bin" / f"python{self.system.python}"),
        )

    @property
    def environment(self) -> dict[str, str]:
        return {"QEMU_CPU": self.system.cpu, "PYTHONHOME": str(self.root / "usr")}

    def clean_environment(self) -> dict[str, str]:
        """This process's environment without what steers Python and its loader, and with the system's own."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PIP_", "LD_"))}
        return {**kept, **self.environment}

    def run(self, arguments: Sequence[str], **environment: str) -> subprocess.CompletedProcess[str]:
        """Runs this Python, away from this machine's Python settings and folder: its exit code and output."""
        return subprocess.run(
            [*self.command, *arguments],
            cwd=self.root,
            env={**self.clean_environment(), **environment},
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )


def check(system: System) -> None:
    """Raises UnavailableError where this machine has not the programs to make and run the system."""
    missing = [program for program in (*PROGRAMS, system.emulator) if shutil.which(program) is None]
    if missing:
        raise UnavailableError(
            f"{', '.join(missing)} not installed (on Debian and Ubuntu: apt-get install apt dpkg qemu-user-static)"
        )


def make(system: System, cache: Path) -> UserLand:
    """The system below the folder ``cache``, made if it is not there. Raises UnavailableError."""
    check(system)
    stamp = hashlib.sha256(repr(system).encode()).hexdigest()[:12]
    root = cache / f"{system.name}-{stamp}"
    if not root.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{system.name}-", dir=cache) as name:
            _unpack(system, _download(system, Path(name)), Path(name) / "root")
            try:
                (Path(name) / "root").rename(root)
            except OSError:
                if not root.is_dir():  # else another process was faster
                    raise
    return UserLand(system, root)


def _download(system: System, folder: Path) -> list[Path]:
    """The .deb files of the system's packages, in ``folder``."""
    for part in ("lists/partial", "archives/partial", "debs"):
        (folder / part).mkdir(parents=True)
    (folder / "status").touch()
    (folder / "sources").write_text(f"deb [signed-by={KEYRING}] {MIRROR} {system.suite} main\n", encoding="utf-8")
    settings = {
        "APT::Architecture": system.architecture,
        "APT::Architectures": system.architecture,
        "APT::Sandbox::User": "",
        "Acquire::Languages": "none",
        "Dir::State": str(folder),
        "Dir::State::status": str(folder / "status"),
        "Dir::Cache": str(folder),
        "Dir::Etc::SourceList": str(folder / "sources"),
        "Dir::Etc::SourceParts": "/dev/null",
    }
    options = [text for name, value in settings.items() for text in ("-o", f"{name}={value}")]
    python = [f"python{system.python}-minimal", f"libpython{system.python}-minimal", f"libpython{system.python}-stdlib"]
    _apt(system, folder, ["apt-get", "-qq", *options, "update"])
    _apt(system, folder / "debs", ["apt-get", "-qq", *options, "download", *python, *system.packages])
    return sorted((folder / "debs").glob("*.deb"))


def _apt(system: System, folder: Path, command: Sequence[str]) -> None:
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", check=False)
    if result.returncode:
        lines = (result.stderr + result.stdout).strip().splitlines() or [f"exit {result.returncode}"]
        raise UnavailableError(f"Debian's packages of {system.name} cannot be downloaded: {lines[0]}")


def _unpack(system: System, packages: Sequence[Path], root: Path) -> None:
    root.mkdir()
    if system.suite != "bookworm":
        # Debian's merged /usr: its newer packages hold nothing in /lib any more, where programs name their loader.
        (root / "usr" / "lib").mkdir(parents=True)
        (root / "lib").symlink_to("usr/lib")
    for package in packages:
        subprocess.run(["dpkg-deb", "-x", str(package), str(root)], check=True)
    _link_alternatives(root)
    (root / "proc").mkdir(exist_ok=True)
    (root / "proc" / "cpuinfo").write_text(system.cpuinfo, encoding="utf-8")


def _link_alternatives(root: Path) -> None:
    """Links what packages leave to the alternatives system upon installation: BLAS and LAPACK for NumPy."""
    for name in ("blas", "lapack"):
        for library in root.glob(f"usr/lib/*/{name}/lib{name}.so.3"):
            (library.parent.parent / library.name).symlink_to(library.relative_to(library.parent.parent))
