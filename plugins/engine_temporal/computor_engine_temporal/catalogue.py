"""Where the installed definitions are, for the workflow inside the sandbox.

The sandbox imports everything anew for each run, except what is passed through. This module is,
so it is the host's own, and what the worker enters here is seen inside; definition modules never
are passed through.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

__all__ = ["Worker", "entered", "worker_of"]


@dataclass(frozen=True, slots=True)
class Worker:
    """What runs need to know of the worker that carries them.

    Attributes:
        targets: Import string of each definition by ``"name@version"``.
        heartbeat: How long a step's host may be silent.
    """

    targets: Mapping[str, str]
    heartbeat: timedelta


_workers: dict[str, Worker] = {}


@contextmanager
def entered(task_queue: str, worker: Worker) -> Iterator[None]:
    """Make a worker known to the runs on its task queue while the block is open."""
    before = _workers.get(task_queue)
    _workers[task_queue] = worker
    try:
        yield
    finally:
        if before is None:
            del _workers[task_queue]
        else:
            _workers[task_queue] = before


def worker_of(task_queue: str) -> Worker:
    """The worker on a task queue.

    Raises:
        LookupError: No worker of this process serves it.
    """
    return _workers[task_queue]
