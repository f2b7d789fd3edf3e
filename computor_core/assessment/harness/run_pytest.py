"""Run named tests with pytest, in one process with the student's code.

Reads one JSON object from standard input: ``{"tests": [node ids], "root", "report", "libraries"}``.
The report's path holds a random part, so a submission can't have a file ready under its name.

What this does against forgery: standard input is read and closed before any test is loaded; the
process ends with ``os._exit`` as soon as pytest has returned, so no ``atexit`` handler, finalizer or
thread outlives the report; pytest's exit status is kept for comparison with the report. What it
can't do anything against: code that is loaded into the same interpreter and looks for pytest's own
objects (by ``gc``, frames or ``sys.modules``) can change them. That is why such a result is called
``in_process``.
"""

# ruff: noqa: PTH100, PTH103, PTH109, PTH112, PTH118, PTH120

from __future__ import annotations

import json
import os
import sys


def main() -> None:
    """Run the tests that standard input asks for."""
    request = json.load(sys.stdin)
    sys.stdin.close()
    root = os.path.abspath(request["root"])
    os.makedirs(os.path.dirname(request["report"]), exist_ok=True)
    sys.path[:] = [os.getcwd(), *[path for path in sys.path if path not in ("", os.path.dirname(__file__))]]
    if os.path.isdir(request["libraries"]):
        sys.path.append(os.path.abspath(request["libraries"]))
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    import pytest

    options = [
        "--rootdir=" + root,
        "--confcutdir=" + root,
        "-c/dev/null",
        "-pno:cacheprovider",
        "--import-mode=importlib",
        "--color=no",
        "--tb=short",
        "-q",
        "--junit-xml=" + os.path.abspath(request["report"]),
        "-ojunit_family=xunit2",
    ]
    status = pytest.main([*options, *[os.path.join(root, test) for test in request["tests"]]])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(int(status))


if __name__ == "__main__":
    main()
