"""JSON beside a report carries everything and refuses what is not a report."""

from __future__ import annotations

import dataclasses
import json

import pytest

from edgebnn.errors import InputError
from edgebnn.reports.codec import from_json, to_json
from edgebnn.reports.data import Accuracy, ReportData
from tests.support.reports import report


def test_a_report_survives_the_round_trip() -> None:
    assert from_json(ReportData, to_json(report()), "r.json") == report()


def test_parts_a_run_did_not_make_survive_the_round_trip() -> None:
    partial = dataclasses.replace(report(), accuracy=None, timing=None, sizes=None, baselines=(), epochs=())
    assert from_json(ReportData, to_json(partial), "r.json") == partial


def test_text_that_json_escapes_survives_the_round_trip() -> None:
    hostile = dataclasses.replace(report(), title='"\\\n\u2028</script>é\U0001f600')
    assert from_json(ReportData, to_json(hostile), "r.json") == hostile


def test_an_integer_is_read_as_a_float_where_a_float_is_due() -> None:
    read = from_json(Accuracy, '{"deployed": 1, "keras": 1, "samples": 10, "required": 0}', "a.json")
    assert isinstance(read.deployed, float)


def test_nan_is_refused_rather_than_written_as_something_that_is_not_json() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json(Accuracy(deployed=float("nan"), keras=1.0, samples=1, required=0.5))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda raw: raw.pop("title"), "missing field title"),
        (lambda raw: raw["model"].update(colour="red"), "unknown field model.colour"),
        (lambda raw: raw["layers"][2].update(index="2"), "field 'layers[2].index'"),
        (lambda raw: raw["accuracy"].update(samples=True), "field 'accuracy.samples'"),
        (lambda raw: raw["timing"].update(kind="guessed"), "field 'timing.kind'"),
        (lambda raw: raw.update(layers={}), "field 'layers'"),
        (lambda raw: raw.update(model=3), "field 'model' is not an object"),
    ],
)
def test_a_wrong_field_is_named_in_one_line(change: object, named: str) -> None:
    raw = json.loads(to_json(report()))
    assert callable(change)
    change(raw)
    with pytest.raises(InputError) as caught:
        from_json(ReportData, json.dumps(raw), "r.json")
    assert str(caught.value).startswith("r.json: ")
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3"])
def test_what_is_not_an_object_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"^r\.json: "):
        from_json(ReportData, text, "r.json")
