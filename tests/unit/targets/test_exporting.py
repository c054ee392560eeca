"""Packages for boards and of files that leave sizes open."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import edgebnn
from edgebnn.errors import InputError
from edgebnn.graph.types import Graph
from tests.support.c_graphs import small_graph
from tests.support.w1a8_graphs import ConvLayer, conv_pair


def opened() -> Graph:
    """A layer whose file leaves the height and width of the image open."""
    graph = conv_pair(ConvLayer())[0]
    tensors = list(graph.tensors)
    for index in (*graph.inputs, *graph.outputs):
        shape = tensors[index].shape
        tensors[index] = replace(tensors[index], shape_signature=(shape[0], -1, -1, shape[3]))
    return replace(graph, name="layer", tensors=tuple(tensors))


def test_a_size_that_is_open_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="input"):
        edgebnn.export(opened(), tmp_path / "out", "portable")
    package = edgebnn.export(opened(), tmp_path / "out", "portable", np.zeros((1, 7, 9, 8), np.int8))
    assert package.inputs[0].tensor.shape == (1, 7, 9, 8)


def test_a_board_gets_the_kernels_of_its_core(tmp_path: Path) -> None:
    package = edgebnn.export(small_graph(), tmp_path / "a" / "b", "nucleo-f401re")
    assert package.core.name == "cortex-m4"
    assert (tmp_path / "a" / "b" / "small.h").is_file()


def test_what_does_not_fit_the_board_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    graph = conv_pair(ConvLayer(size=(64, 64), inputs=64, outputs=64))[0]
    with pytest.raises(InputError, match=r"RAM.*on bluepill-f103c8; edgebnn analyze"):
        edgebnn.export(graph, tmp_path / "out", "bluepill-f103c8", name="large")
    assert not (tmp_path / "out").exists()
