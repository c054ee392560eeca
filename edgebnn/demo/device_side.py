"""What the demo does without TensorFlow: running the deployed file on all test images, and timing it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from edgebnn.graph.types import Array
from edgebnn.preprocessing import preprocess
from edgebnn.reports.data import BaselineTiming, Stretch, Timing
from edgebnn.runtime.model import load
from edgebnn.runtime.profile import Profile
from edgebnn.targets.interface import Target
from edgebnn.targets.model_file import ModelFile
from edgebnn.workflows.benchmark import Effort, benchmark

from .results import Timed

BATCH = 250
REPEATS = 200
PAIRS = 200
LITERT = "litert"
"""What a profile calls the kernels that are LiteRT's or XNNPACK's."""


def deployed_outputs(model: Path, images: Array, advance: Callable[[int], None]) -> Array:
    """Outputs [N, classes] in LiteRT with the delegate, for uint8 ``images`` [N, H, W, C].

    ``advance`` is told how many more images are done.
    """
    run = load(model)
    outputs = []
    for start in range(0, len(images), BATCH):
        part = images[start : start + BATCH]
        result = run(preprocess(part))
        assert isinstance(result, np.ndarray), "the demo's network has one output"
        outputs.append(result)
        advance(len(part))
    return np.concatenate(outputs)


def time_inference(target: Target, model: ModelFile, image: Array, baselines: Sequence[tuple[str, str]]) -> Timed:
    """Where the time of one inference on ``image``, uint8 [1, H, W, C], goes, and how it compares. One thread each.

    ``baselines`` are what :func:`edgebnn.workflows.benchmark.benchmark` takes as ``against``, each with a name for
    people.
    """
    profile = target.profile(model, preprocess(image), repeats=REPEATS)
    return Timed(
        timing=_timing(profile, target),
        baselines=tuple(baseline(target, model, against, name) for against, name in baselines),
    )


def baseline(target: Target, model: ModelFile, against: str, name: str) -> BaselineTiming:
    """``model`` timed in turn with ``against``, called ``name``, as :func:`time_inference` does."""
    result = benchmark(target, model, against=against, effort=Effort(repeats=PAIRS, cool_seconds=0))
    assert result.against is not None
    return BaselineTiming(
        name=name,
        kind=result.kind,
        unit=result.unit,
        median=result.against.value,
        ours=result.value,
        ratio=result.against.ratio,
        ratio_spread=result.against.ratio_spread,
        pairs=PAIRS,
    )


def _timing(profile: Profile, target: Target) -> Timing:
    """The profile in the report's form; the interpreter's own time is what the stretches leave."""
    return Timing(
        target=target.name,
        device=target.device,
        kind=profile.kind,
        unit=profile.unit,
        threads=1,
        statistic=f"mean of the middle half of {REPEATS} runs",
        total=profile.total,
        stretches=tuple(
            Stretch(op.label, op.members, op.kernel != LITERT, op.value, op.share) for op in profile.ops if op.members
        ),
    )
