"""What is sent to a device so that models run there: edgebnn's deployment wing with its compiled library, and wheels.

All of it are archives that a device unpacks once, named by the SHA-256 of their content; the bundle of edgebnn is made
of the very files that run here, so both sides are of one version.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import io
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from edgebnn.errors import EdgebnnError, one_line
from edgebnn.files import cache_folder
from edgebnn.runtime import build, library

from .store import digest

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


@dataclass(frozen=True)
class Archive:
    """A file for a device's store, and what it is, in words."""

    what: str
    data: bytes

    @cached_property
    def name(self) -> str:
        """Its SHA-256."""
        return digest(self.data)


def runtime(processor: str, python: tuple[int, int], glibc: tuple[int, int]) -> tuple[Archive, ...]:
    """All that models need to run on a device: the script that its Python begins with, edgebnn, and wheels.

    Args:
        processor: of :data:`PROCESSORS`.
        python, glibc: versions on the device.

    Raises:
        EdgebnnError: there is no compiler for it, or the wheels cannot be downloaded.
    """
    start = Archive("start.py", START.read_bytes())
    return (start, edgebnn_archive(processor), *wheels(processor, python, glibc))


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


def wheels(processor: str, python: tuple[int, int], glibc: tuple[int, int]) -> tuple[Archive, ...]:
    """The wheels that the agent needs, as pip on the device would choose them; downloaded once, then from the cache.

    Args:
        processor: of :data:`PROCESSORS`.
        python, glibc: versions on the device.

    Raises:
        EdgebnnError: they cannot be downloaded, or there are none for such a device.
    """
    return _wheels(PROCESSORS[processor], python, glibc)


def pillow(processor: str, python: tuple[int, int], glibc: tuple[int, int]) -> tuple[Archive, ...]:
    """The wheel that reads files of pictures, as :func:`wheels`; none where PyPI has none, but the system may."""
    device = PROCESSORS[processor]
    return () if device.own_numpy else _wheels(replace(device, requirements=("pillow>=10",)), python, glibc)


def _wheels(device: Processor, python: tuple[int, int], glibc: tuple[int, int]) -> tuple[Archive, ...]:
    wanted = (device.requirements, device.tag, python, min(glibc, (2, 41)))
    folder = cache_folder() / "wheels" / hashlib.sha256(repr(wanted).encode()).hexdigest()[:16]
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".wheels-", dir=folder.parent) as name:
            part = Path(name) / "wheels"
            _download(device, python, min(glibc, (2, 41)), part)
            try:
                part.rename(folder)
            except OSError:
                if not folder.is_dir():  # else another process was faster
                    raise
    return tuple(Archive(path.name, path.read_bytes()) for path in sorted(folder.glob("*.whl")))


def _download(device: Processor, python: tuple[int, int], glibc: tuple[int, int], folder: Path) -> None:
    version = f"{python[0]}{python[1]}"
    kinds = [f"manylinux_{glibc[0]}_{minor}_{device.tag}" for minor in range(17, glibc[1] + 1)]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary=:all:", "--dest", str(folder)]
    command += ["--python-version", f"{python[0]}.{python[1]}", "--implementation", "cp"]
    command += [text for abi in (f"cp{version}", "abi3", "none") for text in ("--abi", abi)]
    command += [text for kind in (*kinds, f"manylinux2014_{device.tag}") for text in ("--platform", kind)]
    command += ["--no-deps"] if device.own_numpy else []
    done = _run([*command, *device.requirements])
    if done.returncode:
        shutil.rmtree(folder, ignore_errors=True)
        lines = [line for line in done.stderr.splitlines() if line.strip()] or ["pip failed"]
        said = next((line for line in lines if line.startswith("ERROR")), lines[-1])
        raise EdgebnnError(
            one_line(
                f"the wheels for the device ({device.tag}, Python {python[0]}.{python[1]}, glibc {glibc[0]}.{glibc[1]})"
                f" cannot be downloaded: {said}; this machine needs pip and the network for that, once"
            )
        )


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
