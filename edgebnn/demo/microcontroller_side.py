"""What the demo does on a simulated microcontroller: networks as C, checked bit for bit, their instructions counted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from edgebnn.graph import counts
from edgebnn.graph.types import Array
from edgebnn.preprocessing import preprocess
from edgebnn.reports.data import LayerCount, OnCore, OnMicrocontroller
from edgebnn.targets.cortex_m.target import CortexMTarget
from edgebnn.targets.footprint import Limits
from edgebnn.targets.inputs import samples
from edgebnn.targets.model_file import open_model

SAMPLES = 3
"""Images that are compared: each is a whole inference in the simulator."""


def run_on_core(
    name: str, networks: Sequence[tuple[str, Path]], images: Array, advance: Callable[[int], None]
) -> OnMicrocontroller:
    """Each network compiled for a core, compared with the reference executor, and counted.

    Args:
        name: of the target.
        networks: what people call the precision, and the file.
        images: uint8 [N, H, W, C]; the first :data:`SAMPLES` are used.
        advance: is told how many more networks are done.
    """
    core = CortexMTarget(name)
    found = []
    for precision, path in networks:
        found.append(_on_core(core, precision, path, preprocess(images[:SAMPLES])))
        advance(1)
    return OnMicrocontroller(core.core.title, core.kind, tuple(found))


def _on_core(core: CortexMTarget, precision: str, path: Path, values: Array) -> OnCore:
    model = open_model(path)
    checked = core.validate(model, values, count=SAMPLES)
    profile = core.profile(model, values)
    memory = core.footprint(model, next(samples(model, (values,), 1)), Limits())
    return OnCore(
        precision=precision,
        file_bytes=len(model.content),
        samples=checked.samples,
        bit_exact=checked.bit_exact,
        mismatches=0 if checked.passed else checked.mismatches,
        macs=counts.macs(model.graph).total,
        instructions=int(profile.total),
        flash_bytes=memory.flash.total,
        arena_bytes=memory.ram.arena,
        layers=tuple(LayerCount(op.op, op.name, op.kernel, int(op.value)) for op in profile.ops if op.members),
    )
