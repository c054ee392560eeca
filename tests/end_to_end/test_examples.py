"""The programs of docs/examples run as they stand; cameras are stand-ins that give three frames."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgebnn.converters.write_tflite import to_bytes
from edgebnn.graph.metadata import ImageFormat, Metadata, recorded
from tests.support.classifiers import LABELS, classifier

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"

FRAMES = """
import numpy as np
def frames(order):
    for channel in order:
        frame = np.zeros((240, 320, 3), np.uint8)
        frame[..., channel] = 255
        yield frame
"""
CAMERAS = {
    "cv2": FRAMES
    + """
class VideoCapture:
    def __init__(self, number):
        self.frames = frames((2, 1, 0))  # BGR
    def read(self):
        frame = next(self.frames, None)
        return frame is not None, frame
    def release(self):
        print("released")
""",
    "picamera2": FRAMES
    + """
class Picamera2:
    def create_video_configuration(self, main):
        assert main["format"] == "BGR888"
        return main
    def configure(self, configuration):
        self.frames = frames((0, 1, 2))
    def start(self): pass
    def capture_array(self):
        frame = next(self.frames, None)
        if frame is None:
            raise KeyboardInterrupt
        return frame
    def stop(self):
        print("released")
""",
}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.tflite"
    facts = Metadata(image=ImageFormat.of_range(-1, 1), labels=LABELS)
    path.write_bytes(to_bytes(recorded(classifier(), facts)))
    return path


def run(example: str, *arguments: Path, beside: Path) -> list[str]:
    environment = {**os.environ, "PYTHONPATH": str(beside)}
    command = [sys.executable, str(EXAMPLES / example), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return [line.split()[0] for line in done.stdout.splitlines()]


def test_every_example_is_run_here() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == {"folder.py", "opencv_camera.py", "picamera2_stream.py"}


@pytest.mark.parametrize(("example", "module"), [("opencv_camera.py", "cv2"), ("picamera2_stream.py", "picamera2")])
def test_frames_of_a_camera(example: str, module: str, model: Path, tmp_path: Path) -> None:
    (tmp_path / f"{module}.py").write_text(CAMERAS[module])
    assert run(example, model, beside=tmp_path) == [*LABELS, "released"]


def test_the_pictures_of_a_folder(model: Path, tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number, channel in enumerate((2, 0)):
        pixels = np.zeros((9, 7, 3), np.uint8)
        pixels[..., channel] = 255
        Image.fromarray(pixels).save(pictures / f"{number}.png")
    assert run("folder.py", model, pictures, beside=tmp_path) == ["0.png:", "1.png:"]
