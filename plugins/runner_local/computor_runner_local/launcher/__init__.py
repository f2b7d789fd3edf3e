"""The launcher: a small program that starts sandboxes.

It runs as a process of its own, started once by :mod:`computor_runner_local.client`, and imports
the standard library alone. It keeps *supervisors*, one for each job at a time: a supervisor starts the
job's phases one after the other, watches them and answers with what came of them. The host imports
from here what the two sides share, :mod:`.wire` and :mod:`.request`.
"""
