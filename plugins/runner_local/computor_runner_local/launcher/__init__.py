"""The launcher: a small program that starts sandboxes.

It runs as a process of its own, started once by :mod:`computor_runner_local.client`, and imports
the standard library alone. For each job it forks a *supervisor*, which starts the job's phases one
after the other, watches them and answers with what came of them. Nothing in here is imported by
the host at run time.
"""
