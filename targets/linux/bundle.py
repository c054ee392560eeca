"""What is sent to a device so that models run there: edgebnn's deployment wing with its compiled library, and wheels.

All of it are archives that a device unpacks once, named by the SHA-256 of their content; the bundle of edgebnn is made
of the very files that run here, so both sides are of one version.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import io
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from edgebnn.errors import EdgebnnError, InputError, one_line
from edgebnn.files import cache_folder, digest
from edgebnn.runtime import build, library

START = Path(__file__).parent / "start.py"
_DATE = (2024, 1, 1, 0, 0, 0)
_ROOMS = ("arithmetic", "graph", "dataflow", "kernels", "runtime", "converters", "targets")
_NOT_PYTHON = (".kernels", ".toml")


@dataclass(frozen=True)
class Processor:
    """A kind of device with Python.

    kind: as the libraries in wheels are named. tag: of wheels. requirements: what the agent needs of PyPI.
    own_numpy: NumPy comes from the system, as PyPI has no wheel.
    """

    kind: str
    zig_target: str
    tag: str
    requirements: tuple[str, ...]
    own_numpy: bool = False


_LITERT = ("numpy>=1.26", "ai-edge-litert>=1.2", "flatbuffers>=24")

# By the processor's name. glibc 2.17 is older than that of any system with a Python that edgebnn runs on.
PROCESSORS = {
    "x86_64": Processor("linux-x86_64", "x86_64-linux-gnu.2.17", "x86_64", _LITERT),
    "aarch64": Processor("linux-aarch64", "aarch64-linux-gnu.2.17", "aarch64", _LITERT),
    "armv7l": Processor(
        "linux-armv7",
        "arm-linux-gnueabihf.2.17",
        "armv7l",
        ("tflite-runtime==2.14.0", "tflite>=2.18", "flatbuffers>=24"),
        own_numpy=True,
    ),
}
OLDEST_GLIBC = {"x86_64": (2, 27), "aarch64": (2, 27), "armv7l": (2, 34)}
"""That of the interpreter's wheels."""
OLDEST_PYTHON = (3, 10)
PILLOW = "pillow>=10"
_NEWEST_GLIBC = (2, 41)
_POLICIES = (17, 24, 26, 27, 28, 31, 34, 35, 36, 37, 38, 39, 40, 41)
"""Minor versions of glibc that wheels are made for (the policies of auditwheel 6)."""
_NO_NETWORK = "connection broken by"
"""What pip says where it does not reach the index."""


@dataclass(frozen=True)
class Archive:
    """A file for a device's store, and what it is, in words."""

    what: str
    data: bytes

    @cached_property
    def name(self) -> str:
        """Its SHA-256."""
        return digest(self.data)


def runtime(
    processor: str, python: tuple[int, int], glibc: tuple[int, int], source: Path | None = None
) -> tuple[Archive, ...]:
    """All that models need to run on a device: the script that its Python begins with, edgebnn, and wheels.

    Args:
        processor: of :data:`PROCESSORS`.
        python, glibc: versions on the device.
        source: a folder of wheels, in place of the network.

    Raises:
        EdgebnnError: there is no compiler for it, or the wheels cannot be had.
    """
    start = Archive("start.py", START.read_bytes())
    return (start, edgebnn_archive(processor), *wheels(processor, python, glibc, source))


def edgebnn_archive(processor: str) -> Archive:
    """The deployment wing as an archive, its library compiled for the processor, the same bytes every time.

    Raises:
        BuildError: there is no compiler for it.
    """
    made = io.BytesIO()
    with ZipFile(made, "w", ZIP_DEFLATED) as target:
        for name, path in sorted(_files()):
            target.writestr(_entry(name), path.read_bytes())
        version = importlib.metadata.version("edgebnn")
        target.writestr(
            _entry(f"edgebnn-{version}.dist-info/METADATA"),
            f"Metadata-Version: 2.1\nName: edgebnn\nVersion: {version}\n",
        )
        kind = PROCESSORS[processor].kind
        path = device_library(processor)
        target.writestr(_entry(f"edgebnn/runtime/lib/{library.packaged_name(kind)}", 0o755), path.read_bytes())
    return Archive("edgebnn", made.getvalue())


def device_library(processor: str) -> Path:
    """The compiled library for a device: the one that came with edgebnn if it is for such, else from the cache, else
    compiled by zig. Raises BuildError."""
    device = PROCESSORS[processor]
    packaged = library.FOLDER / library.packaged_name(device.kind)
    return packaged if packaged.is_file() else build.cross_library(processor, device.zig_target)


def _files() -> Iterator[tuple[str, Path]]:
    """Every file of the deployment wing with its name in the archive, wherever its rooms are installed."""
    home = Path(__file__).parents[2] / "edgebnn"
    top = importlib.util.find_spec("edgebnn")
    if top is not None and top.origin is not None:
        home = Path(top.origin).parent
    for path in home.glob("*.py"):
        yield f"edgebnn/{path.name}", path
    for room in _ROOMS:
        spec = importlib.util.find_spec(f"edgebnn.{room}")
        assert spec is not None
        assert spec.submodule_search_locations is not None
        folder = Path(next(iter(spec.submodule_search_locations)))
        for path in folder.rglob("*"):
            if path.suffix in (".py", *_NOT_PYTHON) and "__pycache__" not in path.parts:
                yield f"edgebnn/{room}/{path.relative_to(folder).as_posix()}", path


def _entry(name: str, mode: int = 0o644) -> ZipInfo:
    entry = ZipInfo(name, _DATE)
    entry.compress_type = ZIP_DEFLATED
    entry.external_attr = (0o100000 | mode) << 16
    return entry


def wheels(
    processor: str, python: tuple[int, int], glibc: tuple[int, int], source: Path | None = None
) -> tuple[Archive, ...]:
    """The wheels that the agent needs, as pip on the device would choose them; downloaded once, then from the cache.

    Args:
        processor: of :data:`PROCESSORS`.
        python, glibc: versions on the device.
        source: a folder of wheels, in place of the network.

    Raises:
        EdgebnnError: they cannot be downloaded, the folder lacks some, or there are none for such a device.
    """
    return _Wanted(PROCESSORS[processor], python, min(glibc, _NEWEST_GLIBC)).archives(source)


def pillow(
    processor: str, python: tuple[int, int], glibc: tuple[int, int], source: Path | None = None
) -> tuple[Archive, ...]:
    """The wheel that reads files of pictures, as :func:`wheels`; none where PyPI has none, but the system may."""
    device = PROCESSORS[processor]
    if device.own_numpy:
        return ()
    return _Wanted(replace(device, requirements=(PILLOW,)), python, min(glibc, _NEWEST_GLIBC)).archives(source)


def check_folder(source: Path) -> None:
    """Raises InputError unless a folder holds wheels."""
    if not any(source.glob("*.whl")):
        raise InputError(f"{source}: holds no wheels (.whl); pip download --dest {source} puts some there")


@dataclass(frozen=True)
class _Wanted:
    """Wheels for a kind of device, with versions of its Python and C library."""

    device: Processor
    python: tuple[int, int]
    glibc: tuple[int, int]

    def archives(self, source: Path | None) -> tuple[Archive, ...]:
        """From the cache, where they are put if they are not there: from a folder, or the network."""
        known = () if source is None else tuple((path.name, path.stat().st_size) for path in _wheels_in(source))
        wanted = (self.device.requirements, self.device.tag, self.python, self.glibc, *known)
        folder = cache_folder() / "wheels" / hashlib.sha256(repr(wanted).encode()).hexdigest()[:16]
        if not folder.is_dir():
            folder.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".wheels-", dir=folder.parent) as name:
                part = Path(name) / "wheels"
                self._download(part, source)
                try:
                    part.rename(folder)
                except OSError:
                    if not folder.is_dir():  # else another process was faster
                        raise
        return tuple(Archive(path.name, path.read_bytes()) for path in _wheels_in(folder))

    def _download(self, folder: Path, source: Path | None) -> None:
        done = self._pip(folder, source, self.device.requirements)
        if done.returncode == 0:
            return
        lines = [line for line in done.stderr.splitlines() if line.strip()] or ["pip failed"]
        said = next((line for line in lines if line.startswith("ERROR")), lines[-1])
        if source is not None:
            why = f"{source}: {self._missing(folder, source) or said}"
        elif _NO_NETWORK in done.stderr:
            why = "cannot be downloaded: this machine does not reach PyPI"
        else:
            why = f"cannot be downloaded: {said}"
        everything = (*self.device.requirements, *(() if self.device.own_numpy else (PILLOW,)))
        command = shlex.join(["pip", "download", *self._options, "--dest", "DIR", *everything])
        name = f"{self.device.tag}, Python {_dotted(self.python)}, glibc {_dotted(self.glibc)}"
        raise EdgebnnError(
            one_line(
                f"the wheels for the device ({name}) {'are not all in ' if source else ''}{why}; where there is a "
                f"network, this puts them into a folder DIR, which --wheels names here: {command}"
            )
        )

    def _missing(self, folder: Path, source: Path) -> str:
        """Which wheels a folder does not have, in words; empty where pip has another complaint."""
        alone = replace(self, device=replace(self.device, own_numpy=True))  # without what they need themselves
        missing = [one for one in self.device.requirements if alone._pip(folder, source, (one,)).returncode]
        if not missing:
            done = self._pip(folder, source, self.device.requirements)
            missing = re.findall(r"No matching distribution found for (.+)", done.stderr)[:1]
        return f"no {', '.join(missing)}" if missing else ""

    def _pip(self, folder: Path, source: Path | None, requirements: Sequence[str]) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--dest", str(folder), *self._options]
        command += [] if source is None else ["--isolated", "--no-index", "--find-links", str(source)]
        return _run([*command, *requirements])

    @property
    def _options(self) -> list[str]:
        """What pip has to know of the device."""
        version, tag, (major, minor) = "".join(map(str, self.python)), self.device.tag, self.glibc
        kinds = [f"manylinux_{major}_{one}_{tag}" for one in range(17, minor + 1) if one in _POLICIES]
        found = ["--only-binary=:all:", "--python-version", _dotted(self.python), "--implementation", "cp"]
        found += [text for abi in (f"cp{version}", "abi3", "none") for text in ("--abi", abi)]
        found += [text for kind in (*kinds, f"manylinux2014_{tag}") for text in ("--platform", kind)]
        return [*found, "--no-deps"] if self.device.own_numpy else found


def _wheels_in(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.whl"))


def _dotted(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
