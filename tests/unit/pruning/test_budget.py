"""Budgets as users write them."""

from __future__ import annotations

import pytest

from edgebnn.errors import InputError
from edgebnn.pruning.search.budget import Budget, parse


@pytest.mark.parametrize(
    ("text", "resource", "amount", "relative"),
    [
        ("latency=0.6x", "latency", 0.6, True),
        ("latency=12ms", "latency", 12, False),
        ("latency = 1.5 s", "latency", 1500, False),
        ("latency=800us", "latency", 0.8, False),
        ("latency=12", "latency", 12, False),
        ("macs=454945680", "macs", 454945680, False),
        ("macs=0.5G", "macs", 5e8, False),
        ("binary_macs=10M", "binary_macs", 1e7, False),
        ("flash=256k", "flash", 262144, False),
        ("ram=1M", "ram", 1048576, False),
        ("energy=0.7x", "energy", 0.7, True),
        ("parameters=.5x", "parameters", 0.5, True),
        ("parameters=2.5e7", "parameters", 25_000_000, False),
    ],
)
def test_what_users_write(text: str, resource: str, amount: float, relative: bool) -> None:
    budget = parse(text)
    assert (budget.resource, budget.relative) == (resource, relative)
    assert budget.amount == pytest.approx(amount, rel=1e-15)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("latency", "write RESOURCE=AMOUNT"),
        ("speed=2x", "unknown resource 'speed'; choose one of latency, macs"),
        ("latency=12mb", "'12mb' is no amount of latency; .* us, ms, s, x"),
        ("flash=12ms", "is no amount of flash"),
        ("macs=", "'' is no amount of macs"),
        ("macs=-3", "'-3' is no amount"),
        ("macs=nan", "'nan' is no amount"),
        ("macs=0", "above zero"),
        ("macs=1e999", "finite"),
        ("latency=1.0x", "asks for no saving"),
        ("latency=0x", "above zero"),
    ],
)
def test_what_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        parse(text)
    assert "\n" not in str(caught.value)


def test_a_share_needs_the_unpruned_network() -> None:
    assert parse("latency=0.5x").absolute(30.0) == 15.0
    assert Budget("latency", 12.0).absolute(30.0) == 12.0
