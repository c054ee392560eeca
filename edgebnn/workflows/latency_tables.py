"""The latency table of a network on a target: its layers measured, and what lies between them calibrated.

The sum of a table's layers leaves out what runs between them: additions, pooling, and what waiting for memory costs in
a whole network and not in a layer that is run again and again. One whole network is measured once, the unpruned one;
what is missing there counts as time for each element that the layers give out, so it shrinks with the feature maps.
"""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from edgebnn import kernels
from edgebnn.pruning.channels.coupling import Plan
from edgebnn.pruning.latency import sampling as latency_sampling
from edgebnn.pruning.latency.sampling import Sampling
from edgebnn.pruning.latency.table import Device, Granularity, LatencyTable
from edgebnn.pruning.progress import Progress, ProgressCallback
from edgebnn.runtime.library import find
from edgebnn.targets.interface import Target
from edgebnn.targets.model_file import ModelFile

from .deploying import passes_signs_on
from .measuring import kind_of_times, measure_layers, measure_models

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
    packed = passes_signs_on(whole)
    table = latency_sampling.measured(
        plan,
        lambda layers: measure_layers(target, layers, packed_output=packed, threads=threads),
        device(timing, whole),
        path,
        Sampling(step=timing.step),
        progress,
    )
    (total,) = measure_models(target, [whole], threads=threads)
    alone = table.latency(plan.layers())
    if alone > total * DISTURBED and progress is not None:
        message = (
            f"the layers took {alone:.3g} ms one by one, the whole network {total:.3g} ms: something else kept "
            f"{target.name} busy, and predictions will be too high; when it is idle, measure again into another table"
        )
        progress(Progress("note", message=message))
    return table.calibrated(plan.layers(), total)


def device(timing: LayerTiming, whole: ModelFile) -> Device:
    """What times hold for: the machine, the very library of kernels, and what binary layers of ``whole`` give out."""
    target = timing.target
    library = "edgebnn " + version("edgebnn")
    if target.name == "host":
        library += f" {hashlib.sha256(find().path.read_bytes()).hexdigest()[:12]}"
    outputs = "packed" if passes_signs_on(whole) else "unpacked"
    return Device(
        target.device,
        f"{library}, binary layers give {outputs} results",
        timing.threads,
        kind_of_times(target, whole),
        Granularity(w1a1=channels_at_once("bconv2d"), w1a8=channels_at_once("w1a8")),
    )


def channels_at_once(operation: str) -> int:
    """Output channels that kernels of ``operation`` compute at a time, by its table: what divides all their tiles.

    The portable kernel is left out: it is for processors without vectors that we use, in smaller tiles.
    """
    lines = _KERNEL.findall(kernels.table(operation))
    return math.gcd(*(int(channels) for architecture, channels in lines if architecture != "ANY"))
