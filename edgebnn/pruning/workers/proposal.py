"""One proposal: cut the network, fine-tune it for a short term, judge it. A job that any executor can be given.

It is trained by a process made for that (:mod:`.trainer`), with one thread and deterministic ops, so that its result
depends on the job and the class of CPU alone, not on where it runs or what ran there before.
"""

from __future__ import annotations

from edgebnn.pruning.workers.job import Job, ProposalResult
from edgebnn.pruning.workers.trainers import trainers

__all__ = ["Job", "ProposalResult", "run"]


def run(job: Job) -> ProposalResult:
    """The result of ``job``, from a training process that this process starts or has kept from an earlier job.

    Raises :class:`EdgebnnError` for a job that cannot be done, or whose training process dies again and again.
    """
    return trainers().run(job)
