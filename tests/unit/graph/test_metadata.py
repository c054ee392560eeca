"""What a model says of itself: recorded, read back, refused where it does not fit, safe where it is hostile."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgebnn.converters.read_tflite import read
from edgebnn.converters.write_tflite import to_bytes
from edgebnn.errors import InputError, ModelFormatError
from edgebnn.graph import metadata, metadata_format
from edgebnn.graph.metadata import ImageFormat, Metadata, recorded
from edgebnn.graph.types import Graph
from tests.support.classifiers import LABELS, classifier
from tests.support.examples import examples

FACTS = Metadata("Signs", "By color.", "3", "Ada", "MIT", ImageFormat((1.0, 2.0, 3.0), (4.0, 5.0, 6.0), "bgr"), LABELS)


def parsed(graph: Graph) -> Metadata | None:
    return metadata.parse(graph.metadata, graph.attachment, "model")


@pytest.mark.parametrize("order", ["rgb", "bgr"])
def test_what_is_recorded_is_read_back_from_the_file(order: metadata.ChannelOrder) -> None:
    assert FACTS.image is not None
    facts = replace(FACTS, image=replace(FACTS.image, channel_order=order))
    found = parsed(read(to_bytes(recorded(classifier(), facts))))
    assert found == replace(facts, image=replace(facts.image, size=(4, 6)))


def test_a_file_without_has_none_and_what_is_not_said_stays() -> None:
    assert parsed(classifier()) is None
    first = recorded(classifier(), Metadata(license="MIT", labels=LABELS))
    second = recorded(first, Metadata(author="Ada", image=ImageFormat.of_range(0, 1)))
    found = parsed(read(to_bytes(second)))
    assert found is not None
    assert (found.license, found.author, found.labels) == ("MIT", "Ada", LABELS)
    assert found.image is not None
    assert found.image.range == pytest.approx((0, 1))
    assert found.image.channel_order == "rgb"


def test_the_schema_version_that_is_needed_is_stated() -> None:
    def needed(graph: Graph) -> str:
        content = dict(graph.metadata)[metadata_format.ENTRY]
        return str(metadata_format.decode(content, ModelFormatError)["min_parser_version"])

    assert needed(recorded(classifier(), Metadata(labels=LABELS))) == "1.0.0"
    assert needed(recorded(classifier(), FACTS)) == "1.5.0"


def test_facts_complete_each_other() -> None:
    given_facts, known = Metadata(license="MIT", labels=("a", "b")), Metadata(name="n", license="GPL", labels=("x",))
    assert given_facts.over(known) == Metadata(name="n", license="MIT", labels=("a", "b"))
    assert Metadata().over(known) == known


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        (Metadata(labels=("a", "b")), r"2 labels fit no output: the outputs are \[1, 3\]"),
        (Metadata(labels=("a", "b\nc", "d")), "a label is one line"),
        (Metadata(image=ImageFormat((1.0,), (0.0,))), "std above 0"),
        (Metadata(image=ImageFormat((1.0, 2.0), (1.0, 2.0))), "mean and std have 2 numbers"),
        (Metadata(image=ImageFormat((1.0, 2.0, 3.0), (1.0, 2.0))), "mean has 3 numbers and std 2"),
        (Metadata(image=ImageFormat((0.0,), (1.0,), "grey")), "grey has 1 channels"),
    ],
)
def test_facts_that_do_not_fit_are_refused(facts: Metadata, message: str) -> None:
    with pytest.raises(InputError, match=message):
        recorded(classifier(), facts)


def test_a_range_is_from_low_to_high() -> None:
    with pytest.raises(InputError, match="from a lower to a higher"):
        ImageFormat.of_range(1, -1)
    assert ImageFormat.of_range(-1, 1).mean == ImageFormat.of_range(-1, 1).std == (127.5,)


def test_labels_without_their_file_and_damaged_metadata_are_said() -> None:
    graph = recorded(classifier(), FACTS)
    with pytest.raises(ModelFormatError, match=r"model: its metadata cannot be read .*labels\.txt, is not there"):
        metadata.parse(graph.metadata, b"", "model")
    with pytest.raises(ModelFormatError, match="identifier is not M001"):
        metadata.parse(((metadata_format.ENTRY, b"nonsense"),), b"", "model")


def test_every_field_of_the_schema_survives() -> None:
    """One record with all fields, made from the table itself."""

    def full(table: str) -> metadata_format.Record:
        return {field: value(kind) for field, kind in metadata_format.SCHEMA[table]}

    def value(kind: metadata_format.Kind) -> object:
        if isinstance(kind, dict):
            member = kind[max(kind)]
            return (member, full(member))
        if isinstance(kind, tuple):
            return b"bytes" if kind == ("ubyte",) else [value(kind[0])] * 2
        return {"string": "text", "float": 0.5}.get(kind, 1 if kind in metadata_format.SCALARS else None) or full(kind)

    record = full(metadata_format.ROOT)
    assert metadata_format.decode(metadata_format.encode(record), ModelFormatError) == record


@settings(max_examples=examples(300), deadline=None)
@given(st.data())
def test_hostile_metadata_is_refused_or_read(data: st.DataObject) -> None:
    content = bytearray(dict(recorded(classifier(), FACTS).metadata)[metadata_format.ENTRY])
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    for damaged in (bytes(content), bytes(content[:cut])):
        try:
            metadata.parse(((metadata_format.ENTRY, damaged),), recorded(classifier(), FACTS).attachment, "model")
        except ModelFormatError:
            continue


def test_a_vector_of_strings_that_reaches_outside_is_refused() -> None:
    tensor = {"dimension_names": ["height", "width"]}
    content = metadata_format.encode({"subgraph_metadata": [{"input_tensor_metadata": [tensor]}]})
    at = content.index(b"height") - 4
    assert np.frombuffer(content, "<u4", 1, at) == 6
    damaged = content[:at] + b"\xff\xff\xff\x7f" + content[at + 4 :]
    with pytest.raises(ModelFormatError, match="outside of the file"):
        metadata_format.decode(damaged, ModelFormatError)
