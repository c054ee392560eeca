"""NetAdapt's rules, without training: AlexNet's published figures, and what happens at the edges."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from edgebnn.errors import InputError, PruningError
from edgebnn.models.alexnet import alexnet
from edgebnn.pruning.channels.coupling import couple
from edgebnn.pruning.search import algorithm
from edgebnn.pruning.search.algorithm import Candidate, Problem, Resource
from edgebnn.pruning.search.history import Outcome
from edgebnn.pruning.search.resources import Costs, resource
from edgebnn.pruning.settings import Settings

# layer preferred, the width that the rule gives it, and the network's MACs then (simulated by hand, facts of AlexNet)
ALEXNET = [
    ("conv1", 56, 673_355_240),
    ("conv1", 48, 636_577_040),
    ("conv2", 176, 613_235_216),
    ("conv3", 360, 597_465_488),
    ("conv4", 232, 574_979_024),
    ("fc6", 3008, 560_495_568),
    ("conv2", 160, 537_737_808),
    ("conv5", 224, 522_980_688),
    ("fc6", 1952, 510_139_728),
    ("conv3", 336, 495_830_160),
    ("conv4", 216, 482_202_000),
    ("conv4", 200, 468_573_840),
    ("conv4", 184, 454_945_680),
]


def test_alexnet_comes_to_the_published_widths_in_thirteen_iterations() -> None:
    model = alexnet()
    plan = couple(model)
    macs = resource("macs", plan, Costs())
    assert macs.value(plan.widths) == 710_133_440
    problem = Problem(plan.widths, [group.name for group in plan.prunable], macs, 710_133_440, 454_945_680)

    def prefer(number: int, target: float, candidates: Sequence[Candidate]) -> list[Outcome]:
        assert [candidate.layer for candidate in candidates][:5] == ["conv1", "conv2", "conv3", "conv4", "conv5"]
        liked = ALEXNET[number - 1][0]
        return [Outcome(c.layer, c.width, c.predicted, float(c.layer == liked), 0.0) for c in candidates]

    found = list(algorithm.search(problem, Settings(), prefer))

    assert [(i.layer, i.widths[i.layer], i.predicted) for i in found] == ALEXNET
    assert all(iteration.predicted <= iteration.target for iteration in found)
    widths = found[-1].widths
    assert [widths[name] for name in ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "logits")] == [
        48,
        160,
        336,
        184,
        224,
        1952,
        4096,
        10,
    ]
    weights = resource("parameters", plan, Costs())
    assert (weights.value(plan.widths), weights.value(widths)) == (57_035_456, 25_397_904)


def problem(goal: float, widths: dict[str, int] | None = None) -> Problem:
    """Two groups whose channels cost 1 and 10 each, besides a constant 5."""
    found = widths or {"cheap": 40, "dear": 40, "fixed": 3}
    cost = Resource(lambda w: w["cheap"] + 10.0 * w["dear"] + 5, "units")
    initial = cost.value(found)
    return Problem(found, ["cheap", "dear"], cost, initial, goal)


def scored(accuracies: dict[str, float | None], losses: dict[str, float] | None = None) -> algorithm.Score:
    def score(number: int, target: float, candidates: Sequence[Candidate]) -> list[Outcome]:
        return [
            Outcome(
                c.layer,
                c.width,
                c.predicted,
                accuracies[c.layer],
                (losses or {}).get(c.layer),
                None if accuracies[c.layer] is not None else "the loss is not finite after step 2",
            )
            for c in candidates
        ]

    return score


def test_a_group_that_cannot_save_enough_makes_no_proposal_unless_none_can() -> None:
    case = problem(goal=100)
    assert [c.layer for c in algorithm.propose(case, case.widths, limit=400, step=8)] == ["dear"]
    assert [c.width for c in algorithm.propose(case, case.widths, limit=420, step=8)] == [8, 32]
    fewest = algorithm.propose(case, case.widths, limit=50, step=8)
    assert [(c.layer, c.width) for c in fewest] == [("cheap", 8), ("dear", 8)]
    assert algorithm.propose(case, {"cheap": 8, "dear": 8, "fixed": 3}, limit=50, step=8) == ()


def test_widths_that_are_no_multiple_go_to_the_next_one_below() -> None:
    case = problem(goal=100, widths={"cheap": 13, "dear": 5, "fixed": 3})
    assert [(c.layer, c.width) for c in algorithm.propose(case, case.widths, limit=66, step=8)] == [("cheap", 8)]


def test_a_dear_resource_is_asked_few_questions_and_gives_the_same_proposals() -> None:
    plain = problem(goal=100, widths={"cheap": 4096, "dear": 800, "fixed": 3})
    asked: list[object] = []

    def value(widths: object) -> float:
        asked.append(widths)
        return plain.resource.value(widths)  # type: ignore[arg-type]

    dear = replace(plain, resource=Resource(value, "units", dear=True))
    for limit in (12_000, 9_000, 8_200.5, 4_200):
        assert algorithm.propose(dear, plain.widths, limit, 8) == algorithm.propose(plain, plain.widths, limit, 8)
    assert len(asked) <= 4 * (9 + 7)


def test_a_budget_out_of_reach_is_refused_with_the_least_value() -> None:
    with pytest.raises(
        InputError, match=r"budget macs=0.1x: cannot be met: .* \(8\) .* 93 of 445 units.* 44.5; .*0.20"
    ) as e:
        algorithm.check_reachable(problem(goal=44.5), Settings(), "macs=0.1x")
    assert "\n" not in str(e.value)
    algorithm.check_reachable(problem(goal=93), Settings(), "macs=93")


def test_selection_by_accuracy_and_by_ratio() -> None:
    outcomes = [
        Outcome("small", 8, 90, 0.90, 0.3),
        Outcome("large", 8, 20, 0.85, 0.4),
        Outcome("failed", 8, 1, None, None, "!"),
    ]
    assert algorithm.choose(outcomes, "accuracy", accuracy=0.92, predicted=100).layer == "small"  # loses .02 for 10
    assert algorithm.choose(outcomes, "ratio", accuracy=0.92, predicted=100).layer == "large"  # loses .07 for 80


def test_among_equals_the_least_loss_wins() -> None:
    outcomes = [
        Outcome("first", 8, 90, 0.9, 0.3),
        Outcome("second", 8, 90, 0.9, 0.2),
        Outcome("third", 8, 90, 0.9, 0.2),
    ]
    assert algorithm.choose(outcomes, "accuracy", 0.9, 100).layer == "second"


def test_failed_proposals_are_passed_over_until_all_fail() -> None:
    case, settings = problem(goal=300), Settings(ratio=0.05, iterations=1)
    found = list(algorithm.search(case, settings, scored({"cheap": 0.9, "dear": None})))
    assert found[0].layer == "cheap"
    assert found[0].proposals[1].failure
    with pytest.raises(
        PruningError, match=r"every proposal failed \(cheap, dear: the loss .*\); lower the learning rate"
    ):
        list(algorithm.search(case, settings, scored({"cheap": None, "dear": None})))


def test_a_search_goes_on_after_iterations_already_done() -> None:
    case, settings = problem(goal=150), Settings(ratio=0.1)
    score = scored({"cheap": 0.5, "dear": 0.9})
    whole = list(algorithm.search(case, settings, score))
    assert len(whole) > 3
    assert whole[-1].predicted <= 150 < whole[-2].predicted
    assert list(algorithm.search(case, settings, score, whole[:2])) == whole[2:]
    assert list(algorithm.search(case, settings, score, whole)) == []


def test_the_search_ends_at_its_limit_or_when_nothing_is_left_to_cut() -> None:
    score = scored({"cheap": 0.5, "dear": 0.9})
    assert len(list(algorithm.search(problem(goal=1), Settings(iterations=2), score))) == 2
    last = list(algorithm.search(problem(goal=1), Settings(ratio=0.9), score))[-1]
    assert last.widths == {"cheap": 8, "dear": 8, "fixed": 3}


def test_what_is_guaranteed_and_how_many_iterations_are_left() -> None:
    case = problem(goal=350)
    settings = Settings(ratio=0.1, decay=0.5)
    assert algorithm.guaranteed(case, replace(settings, iterations=2)) == pytest.approx(445 * (1 - 0.1 - 0.05))
    assert algorithm.iterations_left(case, settings, 445, 0) == 30
    assert algorithm.iterations_left(case, replace(settings, decay=1.0), 445, 0) == 3
    assert algorithm.iterations_left(case, settings, 350, 3) == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ratio": 0.0}, "ratio must be above 0"),
        ({"decay": 1.5}, "decay must be above 0 and at most 1"),
        ({"step": 0}, "step must be at least 1"),
        ({"selection": "best"}, "unknown selection 'best': choose one of accuracy, ratio"),
        ({"optimizer": "lion"}, "unknown optimizer"),
        ({"learning_rate": math.nan}, "learning_rate must be a finite number"),
    ],
)
def test_settings_that_make_no_search_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Settings(**changes)


def test_where_nothing_can_be_pruned_the_layers_that_fix_it_are_named() -> None:
    fixed = {"first": "mixes: no rule for what Softmax does with channels", "image": "the network's input"}
    with pytest.raises(InputError, match=r"no layer .* can lose channels; fixed by mixes: no rule .* \(of first\);"):
        algorithm.check_prunable(2, fixed, "macs=0.5x")
