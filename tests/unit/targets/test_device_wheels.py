"""Wheels for devices: from a folder, and what is said where they cannot be had."""

from __future__ import annotations

import shlex
from pathlib import Path
from zipfile import ZipFile

import pytest
from click.testing import CliRunner

from edgebnn import target
from edgebnn.cli.main import cli
from edgebnn.errors import EdgebnnError, InputError
from edgebnn.targets.linux import bundle
from edgebnn.targets.linux.access import Access
from tests.support.devices import INT8

DEVICE = ("aarch64", (3, 11), (2, 36))
HELP = "where there is a network, this puts them into a folder DIR, which --wheels names here: pip download "


def wheel(folder: Path, name: str, version: str, tag: str, needs: str = "") -> Path:
    """A wheel without modules."""
    folder.mkdir(exist_ok=True)
    path, facts = folder / f"{name}-{version}-{tag}.whl", f"{name}-{version}.dist-info"
    with ZipFile(path, "w") as made:
        needed = f"Requires-Dist: {needs}\n" if needs else ""
        made.writestr(f"{facts}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needed}")
        made.writestr(f"{facts}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n")
        made.writestr(f"{facts}/RECORD", "")
    return path


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An index that refuses, and a cache of this test's own."""
    monkeypatch.setenv("EDGEBNN_CACHE", str(tmp_path / "cache"))
    for name, value in (
        ("INDEX_URL", "http://127.0.0.1:9/simple"),
        ("RETRIES", "1"),
        ("FIND_LINKS", ""),
        ("CONFIG_FILE", "/dev/null"),
    ):
        monkeypatch.setenv(f"PIP_{name}", value)


def test_wheels_come_from_a_folder_without_a_network(tmp_path: Path) -> None:
    folder = tmp_path / "wheels"
    wheel(folder, "numpy", "2.1", "cp311-cp311-manylinux_2_27_aarch64")
    wheel(folder, "numpy", "2.2", "cp312-cp312-manylinux_2_27_aarch64")
    wheel(folder, "numpy", "2.3", "cp311-cp311-manylinux_2_38_aarch64")
    wheel(folder, "flatbuffers", "25.1", "py2.py3-none-any")
    wheel(folder, "ai_edge_litert", "2.0", "cp311-cp311-manylinux2014_aarch64", "tqdm>=4")
    with pytest.raises(EdgebnnError, match="no tqdm>=4") as missing:
        bundle.wheels(*DEVICE, folder)
    assert HELP in str(missing.value)
    wheel(folder, "tqdm", "4.5", "py3-none-any")
    found = bundle.wheels(*DEVICE, folder)
    names = [archive.what.split("-")[0:2] for archive in found]
    assert names == [["ai_edge_litert", "2.0"], ["flatbuffers", "25.1"], ["numpy", "2.1"], ["tqdm", "4.5"]]
    (folder / "flatbuffers-25.1-py2.py3-none-any.whl").rename(folder / "flatbuffers-25.2-py2.py3-none-any.whl")
    wheel(folder, "flatbuffers", "25.3", "py2.py3-none-any")
    assert "flatbuffers-25.3-py2.py3-none-any.whl" in [archive.what for archive in bundle.wheels(*DEVICE, folder)]


def test_what_a_folder_lacks_is_named_with_the_command_that_gets_it(tmp_path: Path) -> None:
    folder = tmp_path / "wheels"
    wheel(folder, "numpy", "2.1", "cp312-cp312-manylinux_2_27_aarch64")
    wheel(folder, "ai_edge_litert", "2.0", "cp311-cp311-manylinux2014_aarch64")
    with pytest.raises(EdgebnnError) as error:
        bundle.wheels(*DEVICE, folder)
    said = str(error.value)
    assert said.startswith(
        f"the wheels for the device (aarch64, Python 3.11, glibc 2.36) are not all in {folder}: "
        f"no numpy>=1.26, flatbuffers>=24; {HELP}"
    )
    words = shlex.split(said.partition(HELP)[2])
    assert words[-4:] == ["numpy>=1.26", "ai-edge-litert>=1.2", "flatbuffers>=24", "pillow>=10"]
    assert [words[i + 1] for i, word in enumerate(words) if word == "--python-version"] == ["3.11"]
    kinds = [words[i + 1] for i, word in enumerate(words) if word == "--platform"]
    assert "manylinux_2_36_aarch64" in kinds
    assert "manylinux_2_37_aarch64" not in kinds
    with pytest.raises(EdgebnnError, match=r"no pillow>=10"):
        bundle.pillow(*DEVICE, folder)
    assert not list((tmp_path / "cache" / "wheels").iterdir())


def test_without_a_network_the_way_around_it_is_named() -> None:
    with pytest.raises(EdgebnnError, match="cannot be downloaded: this machine does not reach PyPI; where") as error:
        bundle.wheels("armv7l", (3, 11), (2, 36))
    assert HELP in str(error.value)
    assert str(error.value).endswith("--no-deps --dest DIR tflite-runtime==2.14.0 'tflite>=2.18' 'flatbuffers>=24'")


def test_a_folder_of_wheels_is_looked_at_before_anybody_logs_in(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        access = Access(wheels=folder)
        with pytest.raises(InputError, match=r"holds no wheels \(\.whl\); pip download --dest"):
            target("ssh://nobody@127.0.0.1:9", access)
    wheel(tmp_path, "tqdm", "4.5", "py3-none-any")
    with pytest.raises(InputError, match="host: needs no wheels from a folder"):
        target("host", Access(wheels=tmp_path))
    done = CliRunner().invoke(
        cli, ["deploy", str(INT8), "--target", "ssh://nobody@127.0.0.1:9", "--wheels", str(tmp_path / "none")]
    )
    assert isinstance(done.exception, InputError)
    assert "holds no wheels" in str(done.exception)
