"""What a network takes of a microcontroller's memory, layer by layer, and what to change where it does not fit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from edgebnn.converters.c_package.package import Package
from edgebnn.graph.types import DType, Graph
from edgebnn.targets.footprint import CodeSize, Flash, Footprint, LayerFootprint, Limits, Ram

from .image import Image

_WITH_WEIGHTS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV")
_LARGEST = 3
"""Layers that a remedy names."""


def footprint(target: str, graph: Graph, package: Package, image: Image, stack_bytes: int, limits: Limits) -> Footprint:
    """The footprint of a package.

    Args:
        target: for whom it was made.
        graph: the network as its file has it.
        package: what was generated from it.
        image: what was compiled from that.
        stack_bytes: what one inference used.
        limits: what there is.

    Returns:
        Bytes of flash and RAM, by layer and in all.
    """
    places = {tensor: index for index, op in enumerate(graph.ops) for tensor in op.outputs}
    layers = tuple(
        LayerFootprint(
            index=places[layer.outputs[0][0]],
            op=layer.kind,
            name=layer.name,
            kernel=layer.function,
            flash_bytes=layer.weight_bytes,
            ram_bytes=live,
        )
        for layer, live in zip(package.layers, live_bytes(package), strict=True)
    )
    constants = image.sections["rodata"] + image.sections["data"]
    flash = Flash(image.sections["text"], constants, image.flash_bytes, limits.flash)
    outside = sum(argument.tensor.bytes for argument in (*package.inputs, *package.outputs))
    ram = Ram(
        arena=package.arena_bytes,
        arena_lower_bound=package.arena_lower_bound,
        inputs_and_outputs=outside,
        stack=stack_bytes,
        total=image.ram_bytes + outside + stack_bytes,
        limit=limits.ram,
    )
    missing_flash, missing_ram = _missing(flash.total, limits.flash), _missing(ram.total, limits.ram)
    remedies = [*_for_flash(graph, layers, flash, missing_flash), *_for_ram(layers, ram, missing_ram)]
    fits = not (missing_flash or missing_ram)
    return Footprint(target, flash, ram, fits, layers, _functions(image), tuple(remedies))


def _functions(image: Image) -> tuple[CodeSize, ...]:
    """One of several names of the same code, the shortest."""
    code = [symbol for symbol in image.symbols if symbol.section == "text" and symbol.size]
    by_address = {s.address: s for s in sorted(code, key=lambda s: (-len(s.name), s.name))}
    return tuple(CodeSize(s.name, s.size) for s in sorted(by_address.values(), key=lambda s: (-s.size, s.name)))


def live_bytes(package: Package) -> tuple[int, ...]:
    """Of each layer, the bytes of the arena that hold something while it runs; what lies over another counts once."""
    root = package.roots
    offsets, first = {}, {}
    for number, layer in enumerate(package.layers):
        for tensor, offset in layer.outputs:
            if offset is not None:
                offsets[tensor], first[tensor] = offset, number
    last = dict(first)
    for number, layer in enumerate(package.layers):
        for tensor in package.graph.ops[layer.op].inputs:
            if root.get(tensor, tensor) in last:
                last[root.get(tensor, tensor)] = number
    tensors = package.graph.tensors
    return tuple(
        layer.scratch_bytes
        + _covered((offsets[t], offsets[t] + tensors[t].bytes) for t in offsets if first[t] <= number <= last[t])
        for number, layer in enumerate(package.layers)
    )


def _covered(ranges: Iterable[tuple[int, int]]) -> int:
    """Bytes that lie in at least one of some ranges."""
    total, end = 0, 0
    for low, high in sorted(ranges):
        total += max(0, high - max(low, end))
        end = max(end, high)
    return total


def _missing(needed: int, limit: int | None) -> int:
    return 0 if limit is None else max(0, needed - limit)


def _for_flash(graph: Graph, layers: tuple[LayerFootprint, ...], flash: Flash, missing: int) -> Iterator[str]:
    if not missing:
        return
    largest = sorted(layers, key=lambda layer: -layer.flash_bytes)[:_LARGEST]
    named = ", ".join(f"{layer.index} ({layer.flash_bytes:,})" for layer in largest)
    yield f"flash: {missing:,} bytes too many; the layers with the largest constants are {named}"
    saved = {"int8": 0, "float": 0}
    for layer in layers:
        op = graph.ops[layer.index]
        weights = graph.tensors[op.inputs[1]] if op.kind in _WITH_WEIGHTS else None
        if weights is not None and weights.dtype is DType.INT8:
            saved["int8"] += weights.bytes * 7 // 8
        elif weights is not None and weights.dtype is DType.FLOAT32:
            saved["float"] += weights.bytes * 3 // 4
    if saved["float"]:
        yield f"float weights as int8 save about {saved['float']:,} bytes: edgebnn convert --to int8"
    if saved["int8"]:
        yield f"int8 weights as 1 bit each save about {saved['int8']:,} bytes: edgebnn retrain, then convert --to w1a8"
    limit = flash.limit or 0
    if flash.code < limit:
        yield f"fewer channels: edgebnn prune --budget flash={limit - flash.code}, which counts the model's constants"
    else:
        yield f"the code alone takes {flash.code:,} bytes: choose a device with more flash"


def _for_ram(layers: tuple[LayerFootprint, ...], ram: Ram, missing: int) -> Iterator[str]:
    if not missing:
        return
    peak = max(layers, key=lambda layer: layer.ram_bytes)
    yield (
        f"RAM: {missing:,} bytes too many; most is in use in layer {peak.index}: {peak.ram_bytes:,} bytes of "
        "inputs, outputs and scratch"
    )
    rest = ram.total - ram.arena
    limit = ram.limit or 0
    if rest < limit:
        yield (
            f"a smaller image, an earlier stride or fewer channels up to layer {peak.index}: "
            f"edgebnn prune --budget ram={limit - rest}"
        )
    else:
        yield f"inputs, outputs and the stack alone take {rest:,} bytes: a smaller image, or a device with more RAM"
