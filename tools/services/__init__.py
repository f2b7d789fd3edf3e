"""Starts the real servers that the tests use: PostgreSQL, Redis and Temporal.

Run it as ``python -m tools.services``. It needs Linux and Python 3.11 and nothing else, so that it works
before the project's virtual environment exists. Every server listens on a free port of 127.0.0.1, keeps its
data in a folder of its own, is announced to the tests through an environment variable and is stopped by its
own process id. ``docs/howto/test-services.md`` describes the use.
"""
