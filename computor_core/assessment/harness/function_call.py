"""Call a student's function, once per case, each time in a fresh process.

Reads one JSON object from standard input: ``{"module", "function", "results",
"calls": [{"arguments", "keywords"}, …]}``. It never gets an expected value. Results go, one JSON
line per call, to the file named by ``results``; standard output is the student's alone.

This process never imports the student's module: a child does, for each call anew, so that a call
which ends the interpreter, changes a global or damages the memory spoils nothing but itself.
"""

# ruff: noqa: PTH100, PTH103, PTH109, PTH119, PTH120

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import sys
import traceback
from typing import Any

import computor_values  # type: ignore[import-not-found]  # beside this file, in the sandbox

_HERE = os.path.dirname(os.path.abspath(__file__))
_LINE_LIMIT = 8 * 1024 * 1024


def main() -> None:
    """Serve the calls that standard input asks for."""
    request = json.load(sys.stdin)
    os.makedirs(os.path.dirname(request["results"]) or ".", exist_ok=True)
    results = os.open(request["results"], os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    for index, call in enumerate(request["calls"]):
        line = _answer(request, call, results)
        line["call"] = index
        os.write(results, json.dumps(line).encode() + b"\n")
    os._exit(0)


def _answer(request: dict[str, Any], call: dict[str, Any], results: int) -> dict[str, Any]:
    """Make a child do the call; what it answers, or how it ended."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        os.close(results)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.setpgid(0, 0)
        _call(request, call, writer)
    os.close(writer)
    data = _read_line(reader)
    os.close(reader)
    for kill in (os.killpg, os.kill):
        # It may have ended by itself, or never have got a group of its own.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    try:
        answer = json.loads(data)
        if isinstance(answer, dict):
            return answer
    except (ValueError, RecursionError):
        pass  # it ended before it had answered, or something else wrote into its pipe
    if os.WIFSIGNALED(status):
        return {"ended": {"signal": os.WTERMSIG(status)}}
    return {"ended": {"exit_code": os.WEXITSTATUS(status)}}


def _read_line(reader: int) -> bytes:
    """What comes up to a newline, the end of the pipe or the limit."""
    data = b""
    while len(data) <= _LINE_LIMIT and not data.endswith(b"\n"):
        chunk = os.read(reader, 1 << 16)
        if not chunk:
            break
        data += chunk
    return data


def _call(request: dict[str, Any], call: dict[str, Any], writer: int) -> None:
    """In the child: import, call, encode, answer, and end without running anything else."""
    status = 1
    try:
        answer = _outcome(request, call)
        sys.stdout.flush()
        sys.stderr.flush()
        data = json.dumps(answer).encode() + b"\n"
        while data:
            data = data[os.write(writer, data) :]
        status = 0
    finally:
        os._exit(status)


def _outcome(request: dict[str, Any], call: dict[str, Any]) -> dict[str, Any]:
    sys.path[:] = [os.getcwd(), *[path for path in sys.path if path != _HERE]]
    try:
        function = getattr(importlib.import_module(request["module"]), request["function"], None)
        if not callable(function):
            return {"missing": request["function"]}
        arguments = [computor_values.decode(value) for value in call["arguments"]]
        keywords = {name: computor_values.decode(value) for name, value in call["keywords"].items()}
        result = function(*arguments, **keywords)
    except SystemExit as error:
        return {"ended": {"exit_code": error.code if isinstance(error.code, int) else 1}}
    except BaseException as error:  # noqa: BLE001 - whatever a student raises is an answer
        return _raised(error)
    try:
        return {"returned": computor_values.encode(result)}
    except computor_values.EncodingError as error:
        return {"too_big": str(error)}


def _raised(error: BaseException) -> dict[str, Any]:
    """The classes of an exception, its text, and the student's part of the traceback."""
    frames = [
        f"line {frame.lineno} of {os.path.basename(frame.filename)}, in {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)
        if os.path.dirname(frame.filename) != _HERE and not frame.filename.startswith("<frozen")
    ]
    try:
        text = str(error)[:500]
    except Exception as problem:  # noqa: BLE001 - a student's __str__ may do anything; only shown
        text = f"<its str raised {type(problem).__name__}>"
    return {"raised": [kind.__name__ for kind in type(error).__mro__], "text": text, "where": frames[-5:]}


if __name__ == "__main__":
    main()
