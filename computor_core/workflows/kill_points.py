"""The places at which the tests kill a host that carries workflows.

Each stands before or after a durable transition and is passed by
:func:`computor_core.failpoints.failpoint`; ``COMPUTOR_FAILPOINT`` names one. In the three names
that begin with ``step.`` the step's name takes the place of ``<step>``.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["FAILPOINTS"]

FAILPOINTS: Mapping[str, str] = {
    "outbox.before_dispatch": "a start is claimed; its engine hasn't heard of it",
    "outbox.started": "its engine has; the outbox doesn't say so",
    "outbox.after_dispatch": "the outbox says so",
    "run.claimed": "a run is leased; nothing of it has been carried",
    "run.before_journal": "results, or what is begun next, aren't journaled",
    "run.journaled": "they are",
    "step.before.<step>": "an attempt is journaled as begun; it has had no effect",
    "step.after.<step>": "it has had its effect, which isn't journaled",
    "step.journaled.<step>": "its result is journaled",
    "run.before_suspend": "a run has nothing to do for now; it is still leased",
    "run.suspended": "it is laid aside",
    "signal.before_arrival": "a signal and a wait belong together; neither says so",
    "signal.arrived": "both say so; the run's engine hasn't been told",
    "signal.delivered": "it has; the wait doesn't say so",
    "signal.told": "the wait says so",
    "run.before_end": "a definition has returned; its run's end isn't recorded",
    "run.ended": "it is; the run isn't settled",
    "settle.before": "a settlement is claimed; the finalizer hasn't run",
    "settle.after": "it has; the run doesn't say so",
    "settle.recorded": "the run says so",
    "reconciler.asked": "an engine has told what it knows of a run; nothing is recorded",
    "sequencer.before_stamp": "events are picked; their numbers aren't written",
    "sequencer.stamped": "they are; nobody has been told",
    "handler.before": "an event is about to be handed over",
    "handler.handled": "its handler is done; the cursor hasn't moved",
    "handler.recorded": "the cursor has moved",
}
"""What holds at each place, by name."""
