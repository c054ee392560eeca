"""Each layout: what describes it parses, names every C file, and where its tool is here, builds."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

import edgebnn
from edgebnn.converters.c_package.containers import CONTAINERS
from edgebnn.errors import InputError
from tests.support.c_graphs import small_graph


@pytest.mark.parametrize("kind", CONTAINERS)
def test_every_layout_has_the_sources_and_says_what_to_do(kind: str, tmp_path: Path) -> None:
    package = edgebnn.export(small_graph(), tmp_path / "out", "cortex-m4", package=kind)
    sources = tmp_path / "out" / CONTAINERS[kind].sources
    assert {path.name for path in sources.glob("*.[ch]")} == set(package.files)
    readme = (tmp_path / "out" / "README.md").read_text()
    assert f"{package.arena_bytes} bytes of static memory" in readme
    assert CONTAINERS[kind].how.format(name="small") in readme


def test_an_unknown_layout_lists_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="platformio"):
        edgebnn.export(small_graph(), tmp_path / "out", package="keil")
    assert not (tmp_path / "out").exists()


def test_the_cmake_package_builds(tmp_path: Path) -> None:
    if shutil.which("cmake") is None:
        pytest.skip("cmake is not installed")
    edgebnn.export(small_graph(), tmp_path / "small", "portable", package="cmake")
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.13)\nproject(firmware C)\nadd_subdirectory(small)\n"
        "add_executable(firmware main.c)\ntarget_link_libraries(firmware small)\n"
    )
    (tmp_path / "main.c").write_text('#include "small.h"\nint main(void) { return small_selftest(); }\n')
    subprocess.run(["cmake", "-S", ".", "-B", "build"], cwd=tmp_path, check=True, capture_output=True)
    subprocess.run(["cmake", "--build", "build"], cwd=tmp_path, check=True, capture_output=True)
    assert subprocess.run([tmp_path / "build" / "firmware"]).returncode == 0


def test_manifests_are_well_formed(tmp_path: Path) -> None:
    for kind in CONTAINERS:
        edgebnn.export(small_graph(), tmp_path / kind, "cortex-m4", package=kind)
    assert json.loads((tmp_path / "platformio" / "library.json").read_text())["name"] == "small"
    properties = (tmp_path / "arduino" / "library.properties").read_text()
    pairs = dict(line.split("=", 1) for line in properties.splitlines())
    assert pairs.keys() >= {"name", "version", "author", "maintainer", "sentence", "paragraph", "category", "url"}
    pack = ElementTree.parse(tmp_path / "cmsis-pack" / "edgebnn.small.pdsc").getroot()
    named = {file.get("name") for file in pack.iter("file")}
    assert {"small.h", "small.c", "lookup.c", "crc32.c"} <= named
    for kind in ("zephyr", "esp-idf"):
        assert "small.c" in (tmp_path / kind / "CMakeLists.txt").read_text()
