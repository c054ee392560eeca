"""Devices to try the way to a device with: this machine's own Python runs the agent, as a process of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

from edgebnn.files import cache_folder, digest
from edgebnn.graph.layer_shapes import layers
from edgebnn.kernels import schedules
from edgebnn.kernels.schedules import LayerSchedule, Schedule
from edgebnn.targets.linux.bundle import Archive
from edgebnn.targets.linux.device import Channel, Device, Facts, ProcessChannel
from edgebnn.targets.linux.standalone import SERVE
from edgebnn.targets.model_file import open_model

MCU = Path(__file__).parents[1] / "data" / "mcu"
BINARY, W1A8, INT8 = (MCU / f"resnet8_{kind}.tflite" for kind in ("w1a1", "w1a8", "int8"))


class LocalDevice(Device):
    """A store below ``folder``; edgebnn is not sent, as this Python has it."""

    def __init__(self, folder: Path, silence: float = 30.0) -> None:
        self.name = "local"
        self.facts = Facts("this machine", "measured", "x86_64", (2, 36), (3, 11), sys.executable, {})
        self.store = folder
        self.silence = silence
        self.started: list[ProcessChannel] = []
        self.preamble = ""
        (folder / "files").mkdir()

    def needed(self) -> tuple[Archive, ...]:
        return ()

    def present(self, names: Collection[str]) -> set[str]:
        return {name for name in names if (self.store / "files" / name).exists()}

    def put(self, name: str, data: bytes) -> None:
        (self.store / "files" / name).write_bytes(data)

    def start(self, needed: Sequence[str]) -> Channel:
        program = f"{self.preamble}\nfrom edgebnn.targets.linux.agent import serve; serve({str(self.store)!r})"
        command = [sys.executable, "-c", program]
        channel = ProcessChannel(command, dict(os.environ), self.store, self.silence)
        self.started.append(channel)
        return channel

    def launch(self, program: str) -> Channel:
        path = self.store / "files" / program
        path.chmod(0o700)
        self.started.append(ProcessChannel([str(path), SERVE], dict(os.environ), self.store, self.silence))
        return self.started[-1]

    def shell(self) -> Channel:
        (self.store / "home").mkdir(exist_ok=True)
        home = str(self.store / "home")
        environment = {**os.environ, "HOME": home, "EDGEBNN_CACHE": str(cache_folder())}  # which has the library
        channel = ProcessChannel(["sh", "-s"], environment, self.store, self.silence)
        channel.send(f"d={self.store}\n".encode())
        self.started.append(channel)
        return channel

    def python(self) -> Sequence[str]:
        return (sys.executable,)

    def close(self) -> None:
        """Nothing is held."""


def scheduled(folder: Path, kernel: str, hardware: str, name: str = "net.schedule.json") -> tuple[Path, Path]:
    """A model, and a schedule of its first binary layer."""
    model, path = folder / "net.tflite", folder / name
    model.write_bytes(BINARY.read_bytes())
    op = next(layer for layer in layers(open_model(BINARY).graph) if layer.shape.operation == "bconv2d").op
    layer = LayerSchedule(op, "binary", kernel, "rs", {"rows": 2, "blocks": 4})
    schedules.write(Schedule(digest(model.read_bytes()), hardware, (layer,)), path)
    return model, path
