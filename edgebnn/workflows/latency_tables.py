"""The latency table of a network on a target: its layers measured, and what lies between them calibrated.

The sum of a table's layers leaves out what runs between them: additions, pooling, and what waiting for memory costs in
a whole network and not in a layer that is run again and again. One whole network is measured once, the unpruned one;
what is missing there counts as time for each element that the layers give out, so it shrinks with the feature maps.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

from edgebnn import kernels
from edgebnn.converters import c_package
from edgebnn.pruning.channels.coupling import Plan
from edgebnn.pruning.channels.layers import LayerShape
from edgebnn.pruning.latency import sampling as latency_sampling
from edgebnn.pruning.latency.sampling import Sampling
from edgebnn.pruning.latency.table import Device, Granularity, LatencyTable
from edgebnn.pruning.progress import Progress, ProgressCallback
from edgebnn.runtime.library import find
from edgebnn.targets.interface import Target
from edgebnn.targets.model_file import ModelFile

from .deploying import becomes_int8, passes_signs_on
from .measuring import kind_and_unit, measure_models, measure_parts

_KERNEL = re.compile(r"^EB_\w+_KERNEL\(\w+, (\w+),[^)]*\.channel_tile = (\d+)", re.MULTILINE)

DISTURBED = 1.1
"""Layers that take longer than the whole network by this factor were measured while something else ran."""


@dataclass(frozen=True)
class LayerTiming:
    """How layers are timed.

    Attributes:
        target: where.
        threads: of the runtime there.
        step: channels that widths will be multiples of.
        progress: told about every layer.
    """

    target: Target
    threads: int = 1
    step: int = 8
    progress: ProgressCallback | None = None


def latency_table(timing: LayerTiming, plan: Plan, whole: ModelFile, path: Path) -> LatencyTable:
    """The table of all widths of ``plan`` down to a step, calibrated on ``whole``, the unpruned network's file.

    Samples are kept in ``path``, used again, and added to where they do not suffice. Raises InputError if ``path``
    holds another device's table, or the target tells no times.
    """
    target, threads, progress = timing.target, timing.threads, timing.progress
    packed, int8, place = passes_signs_on(whole), becomes_int8(whole), device(timing, whole)

    def measure(layers: Sequence[LayerShape]) -> Iterator[dict[LayerShape, float]]:
        deployed = {
            layer: replace(layer, name="", precision="int8" if int8 and layer.precision == "float" else layer.precision)
            for layer in layers
        }
        for times in measure_parts(target, list(deployed.values()), packed_output=packed, threads=threads):
            yield {layer: times[shape] for layer, shape in deployed.items() if shape in times}

    table = latency_sampling.measured(
        plan,
        measure,
        place,
        path,
        Sampling(step=timing.step),
        progress,
    )
    (total,) = measure_models(target, [whole], threads=threads)
    alone = table.latency(plan.layers())
    if alone > total * DISTURBED and progress is not None:
        progress(Progress("note", message=_too_long(target, place, alone, total)))
    return table.calibrated(plan.layers(), total)


def _too_long(target: Target, device: Device, alone: float, total: float) -> str:
    took = f"the layers took {alone:.3g} {device.unit} one by one, the whole network {total:.3g} {device.unit}: "
    if device.unit != "ms":
        return f"{took}{target.name} runs them in another way there, and predictions will be too high"
    return (
        f"{took}something else kept {target.name} busy, and predictions will be too high; when it is idle, measure "
        "again into another table"
    )


def device(timing: LayerTiming, whole: ModelFile) -> Device:
    """What times hold for: the machine, the very library of kernels, what binary layers of ``whole`` give out, and
    whether those that are float in Keras are int8 there."""
    target = timing.target
    kind, unit = kind_and_unit(target, whole)
    library = "edgebnn " + version("edgebnn")
    if target.name == "host":
        library += f" {_digest(find().path)}"
    elif unit != "ms":
        library += f" {_digest(*kernels.FOLDER.glob('*/*.[ch]'), *Path(c_package.__file__).parent.rglob('*.py'))}"
    outputs = "packed" if passes_signs_on(whole) else "unpacked"
    others = ", others are int8" if becomes_int8(whole) else ""
    # Cores that are counted have kernels of their own, whose steps the samples find by themselves.
    delegates = Granularity(w1a1=channels_at_once("bconv2d"), w1a8=channels_at_once("w1a8"))
    return Device(
        target.device,
        f"{library}, binary layers give {outputs} results{others}",
        timing.threads,
        kind,
        delegates if unit == "ms" else Granularity(),
        unit,
    )


def _digest(*files: Path) -> str:
    """Of what these files hold, in the order of their names."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(files))).hexdigest()[:12]


def channels_at_once(operation: str) -> int:
    """Output channels that kernels of ``operation`` compute at a time, by its table: what divides all their tiles.

    The portable kernel is left out: it is for processors without vectors that we use, in smaller tiles.
    """
    lines = _KERNEL.findall(kernels.table(operation))
    return math.gcd(*(int(channels) for architecture, channels in lines if architecture != "ANY"))
