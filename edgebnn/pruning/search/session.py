"""One search under way: proposals trained and kept on disk as they come, iterations accepted."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import replace

import numpy as np

from edgebnn.errors import PruningError
from edgebnn.pruning.channels import surgery
from edgebnn.pruning.channels.coupling import couple
from edgebnn.pruning.progress import Progress
from edgebnn.pruning.search import algorithm
from edgebnn.pruning.search.algorithm import Candidate
from edgebnn.pruning.search.history import Iteration, Outcome
from edgebnn.pruning.search.run_folder import State
from edgebnn.pruning.search.task import Search
from edgebnn.pruning.workers.executors import Lost, dispatch
from edgebnn.pruning.workers.job import Job, ProposalResult, failed

_PROPOSALS = 0x9A0B  # keeps the seeds of proposals apart from other uses of the same seed


class Session:
    """The two things that a search asks for: :meth:`score` candidates, and :meth:`accept` what it chose.

    ``state`` is always what is on disk, ``network`` the network that it names.
    """

    def __init__(self, search: Search, executor: Executor, state: State) -> None:
        self.state = state
        self._search, self._executor = search, executor
        self._folder, self._problem, self._settings = search.folder, search.problem, search.settings
        self._indices = {name: index for index, name in enumerate(search.problem.widths)}
        self.network = self._folder.load_network(state.network, search.code)
        self._started, self._trained = time.monotonic(), 0

    def score(self, number: int, target: float, candidates: Sequence[Candidate]) -> list[Outcome]:
        """Outcomes of ``candidates``, in order: those on disk already, and the others trained now.

        A job that lost its worker again and again is a failed proposal where another succeeded; where none did it may
        well be the workers, so that nothing is concluded. Raises :class:`PruningError` then.
        """
        outcomes = {(outcome.layer, outcome.width): outcome for outcome in self.state.pending}
        if len(outcomes) == len(candidates) and all(outcome.failure for outcome in outcomes.values()):
            outcomes = {}  # started again after an iteration in which all failed: what was in the way may be gone
            self.state = replace(self.state, pending=())
        missing = [candidate for candidate in candidates if (candidate.layer, candidate.width) not in outcomes]
        jobs = [self._job(number, candidate) for candidate in missing]
        for index, result in dispatch(self._executor, jobs):
            if isinstance(result, Lost):
                if all(outcome.failure for outcome in outcomes.values()):
                    raise PruningError(f"{missing[index].layer}: {result.cause}; start again to go on")
                result = failed(result.cause)
            outcome = self._keep(missing[index], result)
            outcomes[outcome.layer, outcome.width] = outcome
            self._trained += 1
            self._tell("search", number, target, outcome.layer, outcome.accuracy, len(candidates))
        return [outcomes[candidate.layer, candidate.width] for candidate in candidates]

    def accept(self, iteration: Iteration) -> None:
        """Make the chosen proposal the network, on disk too."""
        chosen = next(o for o in iteration.proposals if (o.layer, o.width) == (iteration.layer, self._width(iteration)))
        group = couple(self.network).groups[self._indices[iteration.layer]]
        network = surgery.cut(self.network, {group.name: chosen.kept})
        network.set_weights(self._folder.load_weights(chosen.model))
        measure_whole = self._search.costs.measure_whole
        measured = measure_whole(network) if measure_whole else None
        survivors = self.state.kept.get(iteration.layer) or range(self._problem.widths[iteration.layer])
        light = tuple(replace(outcome, kept=(), model="") for outcome in iteration.proposals)
        self.state = replace(
            self.state,
            network=self._folder.put_network(network),
            kept={**self.state.kept, iteration.layer: tuple(survivors[index] for index in chosen.kept)},
            iterations=(*self.state.iterations, replace(iteration, proposals=light, measured=measured)),
            pending=(),
        )
        self._folder.save_state(self.state)
        self.network = network
        self._tell("accepted", iteration.iteration, iteration.target, iteration.layer, iteration.accuracy, len(light))

    @staticmethod
    def _width(iteration: Iteration) -> int:
        return iteration.widths[iteration.layer]

    def _job(self, number: int, candidate: Candidate) -> Job:
        """All proposals of an iteration see the same batches, which makes them easier to compare."""
        seed = np.random.default_rng([self._settings.seed, _PROPOSALS, number]).integers(2**31)
        iterations = self.state.iterations
        widths = iterations[-1].widths if iterations else self._problem.widths
        return Job(
            store=self._folder.store.resolve(),
            network=self.state.network,
            code=self._search.code,
            data=self.state.data,
            group=self._indices[candidate.layer],
            channels=widths[candidate.layer],
            width=candidate.width,
            settings=self._settings,
            seed=int(seed),
        )

    def _keep(self, candidate: Candidate, result: ProposalResult) -> Outcome:
        """The outcome, on disk before anyone hears of it."""
        failed = result.failure is not None
        outcome = Outcome(
            layer=candidate.layer,
            width=candidate.width,
            predicted=candidate.predicted,
            accuracy=result.accuracy,
            loss=result.loss,
            failure=result.failure,
            cpu_class=result.cpu_class,
            model="" if failed else self._folder.put_weights(result.weights),
            kept=result.kept,
        )
        known = self.state.cpu_classes
        self.state = replace(self.state, pending=(*self.state.pending, outcome))
        self._folder.save_state(self.state)
        if known and outcome.cpu_class and outcome.cpu_class not in known:
            self._note(
                f"{outcome.layer} was trained on another class of CPU ({outcome.cpu_class}) than proposals before "
                f"({known[0]}): the history can then not be repeated exactly"
            )
        if failed:
            self._note(f"{outcome.layer} with {outcome.width} channels is passed over: {outcome.failure}")
        return outcome

    def _note(self, message: str) -> None:
        self._search.progress(Progress("note", iteration=len(self.state.iterations) + 1, message=message))

    def _tell(self, stage: str, number: int, target: float, layer: str, accuracy: float | None, total: int) -> None:
        iterations = self.state.iterations
        predicted = iterations[-1].predicted if iterations else self._problem.initial
        done = total if stage == "accepted" else len(self.state.pending)
        self._search.progress(
            Progress(
                stage,
                iteration=number,
                iterations=number + algorithm.iterations_left(self._problem, self._settings, target, number),
                done=done,
                total=total,
                layer=layer,
                accuracy=accuracy,
                predicted=predicted,
                target=target,
                budget=self._problem.goal,
                unit=self._problem.resource.unit,
                seconds_left=self._seconds_left(number, target, total - done, total),
            )
        )

    def _seconds_left(self, number: int, target: float, in_this_iteration: int, proposals: int) -> float | None:
        """By the pace of this session, for the proposals of this iteration and of those that are yet to come."""
        if not self._trained:
            return None
        later = algorithm.iterations_left(self._problem, self._settings, target, number) * proposals
        return (time.monotonic() - self._started) / self._trained * (in_this_iteration + later)
