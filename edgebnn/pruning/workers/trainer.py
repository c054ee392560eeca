"""A training process: jobs come in on standard input, :class:`.Answer`s go out on standard output, both pickled.

It ends at once when its input ends, that is when the process that started it is gone, however that died, on its own
after two minutes without a job, and when it has grown too large: TensorFlow keeps some memory of every network it
trained (2.16: about 0.6 GB for AlexNet), whatever becomes of the Python objects.
"""

from __future__ import annotations

import os
import pickle
import queue
import sys
import threading
import traceback
from typing import BinaryIO

from edgebnn import machine
from edgebnn.errors import EdgebnnError
from edgebnn.pruning.workers.job import GROWTH, Answer, Job, ProposalResult

IDLE_SECONDS = 120.0


def main() -> None:
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print must not come between the answers
    jobs: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    # a stream of its own: Python aborts if it finds standard input being read when it ends
    stream = os.fdopen(os.dup(0), "rb")
    threading.Thread(target=_receive, args=(stream, jobs), daemon=True).start()
    from edgebnn.pruning.workers.fine_tuning import perform, use_one_thread

    use_one_thread()
    first = 0
    while True:
        try:
            received = jobs.get(timeout=IDLE_SECONDS)
        except queue.Empty:
            return
        content: ProposalResult | EdgebnnError
        try:
            content = perform(_job(received))
        except EdgebnnError as error:
            content = error
        except OSError as error:
            content = EdgebnnError(f"a proposal could not be trained: {error}")
        most = machine.peak_memory()
        first = first or most
        answer = Answer(content, last=most > GROWTH * first)
        pickle.dump(answer, answers, pickle.HIGHEST_PROTOCOL)
        answers.flush()
        if answer.last:
            return


def _receive(stream: BinaryIO, jobs: queue.SimpleQueue[bytes]) -> None:
    while True:
        try:
            jobs.put(pickle.load(stream))
        except EOFError:
            os._exit(0)


def _job(content: bytes) -> Job:
    """Loaded in the main thread: a job may import a module that imports TensorFlow, and two threads that import it at
    a time can wait for each other for ever."""
    try:
        job: Job = pickle.loads(content)
    except (ImportError, AttributeError) as error:
        raise EdgebnnError(f"a proposal needs what cannot be imported where it is trained: {error}") from None
    return job


if __name__ == "__main__":
    code = 1
    try:
        main()
        code = 0
    finally:
        if code:
            traceback.print_exc()
            sys.stderr.flush()
        os._exit(code)  # without the farewells of TensorFlow's threads, which may wait for each other
