"""NetAdapt's rules, free of networks and training: what is proposed, what is chosen, when it ends.

Yang et al., "NetAdapt: Platform-Aware Neural Network Adaptation for Mobile Applications", ECCV 2018, algorithm 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from edgebnn.errors import InputError, PruningError, one_line
from edgebnn.pruning.channels.widths import Widths, smallest
from edgebnn.pruning.search.history import Iteration, Outcome
from edgebnn.pruning.settings import Settings


@dataclass(frozen=True)
class Resource:
    """What a network of given widths takes of one resource, known without training it.

    ``dear`` says that each question costs so much that widths are found by bisection, which wants ``value`` not to rise
    when channels are cut; otherwise every multiple of the step is tried from the largest down.
    """

    value: Callable[[Widths], float]
    unit: str
    dear: bool = False


@dataclass(frozen=True)
class Candidate:
    """A proposal before it is trained: ``layer`` (a group of channels) cut to ``width`` channels."""

    layer: str
    width: int
    predicted: float


@dataclass(frozen=True)
class Problem:
    """What is searched: groups ``prunable`` of a network with ``widths``, whose ``resource`` must come to ``goal``.

    ``initial`` is the unpruned network's resource, and ``accuracy`` its accuracy on the held-out images. ``fixed`` says
    of other groups why they cannot lose channels.
    """

    widths: Widths
    prunable: Sequence[str]
    resource: Resource
    initial: float
    goal: float
    accuracy: float = 0.0
    fixed: Mapping[str, str] = field(default_factory=dict)


_TOLD = 3  # reasons, and layers for each, that a message names

Score: TypeAlias = Callable[[int, float, Sequence[Candidate]], Sequence[Outcome]]
"""Trains and judges an iteration's candidates: its number, its target, the candidates -> their outcomes, in order."""


def check_reachable(problem: Problem, settings: Settings, asked: str) -> None:
    """Raise :class:`InputError` at once if no choice of widths meets the goal, saying what the least value is.

    ``asked`` is the budget as the user knows it.
    """
    least = problem.resource.value(smallest(problem.widths, problem.prunable, settings.step))
    if least > problem.goal:
        raise InputError(
            f"budget {asked}: cannot be met: with every layer at its fewest channels ({settings.step}) the network "
            f"still takes {least:,.6g} of {problem.initial:,.6g} {problem.resource.unit}, and the budget is "
            f"{problem.goal:,.6g}; ask for at least {least / problem.initial:.3f}x, or choose a smaller step"
            f"{_held(problem.fixed)}"
        )


def check_prunable(groups: int, fixed: Mapping[str, str], asked: str) -> None:
    """Raise :class:`InputError`, saying what keeps the channels, if none of a network's groups can lose any.

    ``fixed`` says of groups why they cannot; ``asked`` is the budget as the user knows it.
    """
    if len(fixed) == groups:
        raise InputError(one_line(f"budget {asked}: no layer of this network can lose channels{_held(fixed)}"))


def _held(fixed: Mapping[str, str]) -> str:
    """Which layers keep others from losing channels, the most telling first."""
    causes: dict[str, list[str]] = {}
    for name, reason in fixed.items():
        causes.setdefault(reason, []).append(name)
    told = [f"{reason} (of {_few(names)})" for reason, names in sorted(causes.items(), key=lambda one: -len(one[1]))]
    return f"; fixed by {'; '.join(told[:_TOLD])}{_more(told)}" if told else ""


def _few(names: Sequence[str]) -> str:
    return f"{', '.join(names[:_TOLD])}{_more(names)}"


def _more(things: Sequence[str]) -> str:
    return f" and {len(things) - _TOLD} more" if len(things) > _TOLD else ""


def guaranteed(problem: Problem, settings: Settings) -> float:
    """The resource that all iterations together come to at the latest, if none of them saves more than it must."""
    savings = sum(settings.decay**i for i in range(settings.iterations))
    return problem.initial * (1 - settings.ratio * savings)


def iterations_left(problem: Problem, settings: Settings, predicted: float, number: int) -> int:
    """How many iterations are yet to come after ``number``, if each saves just what it must."""
    count = 0
    while predicted > problem.goal and number + count < settings.iterations:
        count += 1
        predicted = target(problem, settings, predicted, number + count)
    return count


def target(problem: Problem, settings: Settings, current: float, number: int) -> float:
    """What iteration ``number`` (from 1) has to reach, starting at ``current``."""
    return current - settings.ratio * problem.initial * settings.decay ** (number - 1)


def propose(problem: Problem, widths: Widths, limit: float, step: int) -> tuple[Candidate, ...]:
    """For each group the most channels, a multiple of ``step``, with which the whole network takes at most ``limit``.

    A group that cannot save so much on its own makes no proposal; if none can, each makes that of its fewest channels,
    as in the authors' code.
    """
    found = (_most_channels(problem.resource, widths, name, limit, step) for name in problem.prunable)
    return tuple(candidate for candidate in found if candidate) or _fewest_channels(problem, widths, step)


def _most_channels(resource: Resource, widths: Widths, name: str, limit: float, step: int) -> Candidate | None:
    def at(multiple: int) -> Candidate:
        width = multiple * step
        return Candidate(name, width, resource.value({**widths, name: width}))

    multiples = (widths[name] - 1) // step
    if not resource.dear:
        tried = (at(multiple) for multiple in range(multiples, 0, -1))
        return next((candidate for candidate in tried if candidate.predicted <= limit), None)
    fits, too_many = None, multiples + 1
    low = 1
    while low < too_many:
        middle = (low + too_many) // 2
        candidate = at(middle)
        if candidate.predicted <= limit:
            fits, low = candidate, middle + 1
        else:
            too_many = middle
    return fits


def _fewest_channels(problem: Problem, widths: Widths, step: int) -> tuple[Candidate, ...]:
    current = problem.resource.value(widths)
    candidates = (
        Candidate(name, step, problem.resource.value({**widths, name: step}))
        for name in problem.prunable
        if widths[name] > step
    )
    return tuple(candidate for candidate in candidates if candidate.predicted < current)


def choose(outcomes: Sequence[Outcome], selection: str, accuracy: float, predicted: float) -> Outcome:
    """The proposal that becomes the network, of those that did not fail; among equals the one of least loss.

    ``accuracy`` and ``predicted`` are the current network's. Raises :class:`PruningError` if all failed.
    """
    trained = [outcome for outcome in outcomes if outcome.failure is None]
    if not trained:
        causes: dict[str, list[str]] = {}
        for outcome in outcomes:
            causes.setdefault(outcome.failure or "", []).append(outcome.layer)
        failed = "; ".join(f"{', '.join(layers)}: {cause}" for cause, layers in causes.items())
        diverged = any("not finite" in cause for cause in causes)
        remedy = "lower the learning rate of short-term fine-tuning" if diverged else "start again to try once more"
        raise PruningError(one_line(f"every proposal failed ({failed}); {remedy}"))

    def rank(outcome: Outcome) -> tuple[float, float]:
        assert outcome.accuracy is not None, "only failed proposals have no accuracy"
        loss = math.inf if outcome.loss is None else outcome.loss
        if selection == "accuracy":
            return -outcome.accuracy, loss
        return (accuracy - outcome.accuracy + 1e-6) / (predicted - outcome.predicted + 1e-5), loss

    return min(trained, key=rank)


def search(problem: Problem, settings: Settings, score: Score, done: Sequence[Iteration] = ()) -> Iterator[Iteration]:
    """Iterations one by one, after those already ``done``, until the goal or the limit of iterations is reached.

    Ends early when no group has channels left to lose. Raises :class:`PruningError` when every proposal fails.
    """
    last = done[-1] if done else None
    widths = dict(last.widths if last else problem.widths)
    predicted, accuracy = (last.predicted, last.accuracy) if last else (problem.initial, problem.accuracy)
    for number in range(len(done) + 1, settings.iterations + 1):
        if predicted <= problem.goal:
            return
        limit = target(problem, settings, predicted, number)
        candidates = propose(problem, widths, limit, settings.step)
        if not candidates:
            return
        outcomes = tuple(score(number, limit, candidates))
        best = choose(outcomes, settings.selection, accuracy, predicted)
        assert best.accuracy is not None, "chosen proposals were judged"
        widths[best.layer] = best.width
        predicted, accuracy = best.predicted, best.accuracy
        yield Iteration(number, best.layer, dict(widths), limit, predicted, accuracy, outcomes)
