"""Numbers as people read them."""

from __future__ import annotations

import pytest

from edgebnn.graph.opdef import Macs
from edgebnn.reports import format


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.0417, "0.0417"),
        (1.23456, "1.23"),
        (98.94, "98.9"),
        (147.2, "147"),
        (1470.4, "1470"),
        (-2.5, "-2.50"),
    ],
)
def test_three_significant_digits(value: float, text: str) -> None:
    assert format.significant(value) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (812, "812 B"), (4608, "4.61 kB"), (147_456, "147 kB"), (1_240_000, "1.24 MB")]
)
def test_sizes_are_decimal(count: int, text: str) -> None:
    assert format.size(count) == text


@pytest.mark.parametrize(("value", "text"), [(0.0, "0"), (3.14e-6, "3.1e-06"), (0.6139, "0.614"), (12.0, "12.0")])
def test_differences_next_to_nothing_have_an_exponent(value: float, text: str) -> None:
    assert format.small(value) == text


def test_percent_never_rounds_an_imperfect_result_up_to_100() -> None:
    assert format.percent(0.99999) == "99.99 %"
    assert format.percent(0.9999, 1) == "99.9 %"
    assert format.percent(1.0) == "100.00 %"
    assert format.percent(0.98925) in ("98.92 %", "98.93 %")


def test_costs_name_their_unit() -> None:
    assert format.cost(0.137, "ms") == "137 µs"
    assert format.cost(12.34, "ms") == "12.3 ms"
    assert format.cost(1_234_567, "cycles") == "1.23 M cycles"


def test_a_column_of_parts_has_one_unit_and_one_number_of_decimals() -> None:
    assert [format.aligned(v, 0.137, "ms") for v in (0.034, 0.003, 0.137)] == ["34.0", "3.0", "137.0"]
    assert format.aligned_unit(0.137, "ms") == "µs"
    assert [format.aligned(v, 140.0, "ms") for v in (3.04, 140.0)] == ["3.0", "140.0"]
    assert format.aligned(123456.0, 1e6, "cycles") == "123,456"


def test_only_precisions_that_occur_are_named() -> None:
    assert format.macs(Macs(binary=1_806_336, float=640)) == (("binary", "1.81 M"), ("float", "640"))
    assert format.macs(Macs()) == ()


def test_dates_are_spelled_out() -> None:
    assert format.when("2026-11-04T08:05:00+00:00") == "4 November 2026, 08:05 UTC"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("net/stem_bn/FusedBatchNormV3;net/stem_conv/Conv2D1", "stem_conv"),
        ("net/block1_bn2/FusedBatchNormV3;ne", "block1_bn2"),  # cut at 50 characters by LCE
        ("StatefulPartitionedCall:0", "StatefulPartitionedCall:0"),
        ("", ""),
    ],
)
def test_layers_are_called_as_their_author_called_them(name: str, shown: str) -> None:
    assert format.layer(name) == shown
