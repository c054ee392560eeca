"""The wheels for ARM in the Python of Raspberry Pi OS, installed by its own pip and run under qemu-user (emulated)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from edgebnn.files import cache_folder
from edgebnn.targets.linux.user_lands import UnavailableError
from tests.support.wheels import PROGRAM, ROOT, build, make_trial

pytestmark = pytest.mark.slow

REQUIREMENTS = ("numpy>=1.26", "ai-edge-litert>=1.2", "flatbuffers>=24", "click>=8.1", "rich>=13")
# All but NumPy, which is Debian's: PyPI has no wheel of it.
REQUIREMENTS_ARMV7 = ("tflite-runtime==2.14.0", "tflite", "flatbuffers", "click", "rich")
OF_THESE = ("markdown-it-py", "mdurl", "pygments")


@pytest.fixture(scope="module")
def arm() -> Iterator[Any]:
    """tools/arm_python.py."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "tools"))
        import arm_python  # type: ignore[import-not-found]

        yield arm_python


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory, arm: Any) -> dict[str, Path]:
    try:  # not worth compiling for where nothing can be run
        arm.make(arm.SYSTEMS["bookworm-arm64"], cache_folder() / "arm")
    except UnavailableError as error:
        pytest.skip(str(error))
    aarch64, armv7 = build(tmp_path_factory.mktemp("dist"), "linux-aarch64", "linux-armv7")
    return {"linux-aarch64": aarch64, "linux-armv7": armv7}


@pytest.mark.parametrize(
    ("name", "machine"),
    [("bookworm-arm64", "linux-aarch64"), ("trixie-arm64", "linux-aarch64"), ("bookworm-armhf", "linux-armv7")],
)
def test_pip_on_raspberry_pi_os_installs_the_wheel_and_it_runs_a_model_bit_exact(
    name: str, machine: str, arm: Any, wheels: dict[str, Path], tmp_path: Path
) -> None:
    try:
        python = arm.make(arm.SYSTEMS[name], cache_folder() / "arm")
        if machine == "linux-armv7":
            arm.fetch_wheels(python, [*REQUIREMENTS_ARMV7, *OF_THESE], tmp_path / "wheels", with_dependencies=False)
        else:
            arm.fetch_wheels(python, REQUIREMENTS, tmp_path / "wheels")
    except UnavailableError as error:
        pytest.skip(str(error))
    environment = arm.install(python, wheels[machine], tmp_path / "wheels", tmp_path / "home")
    trial = make_trial(tmp_path)
    trial.check(python.run(["-c", PROGRAM, str(tmp_path)], **environment), tmp_path / "home", machine)


def test_the_armv7_wheel_names_its_dependencies_without_asking_for_the_kernels_machine(wheels: dict[str, Path]) -> None:
    """A 32-bit system on a 64-bit kernel calls itself aarch64 in dependency markers."""
    with ZipFile(wheels["linux-armv7"]) as wheel:
        (metadata,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
        lines = wheel.read(metadata).decode().splitlines()
    needed = {line.split()[1] for line in lines if line.startswith("Requires-Dist:") and "extra ==" not in line}
    assert "tflite-runtime==2.14.0" in needed
    assert not any(requirement.startswith("ai-edge-litert") for requirement in needed)
    assert not any("platform_machine" in line for line in lines if "extra ==" not in line)
