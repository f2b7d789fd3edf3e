"""Judges row mutants: one process, in a copy of the tree, that forks a child for each.

Run as ``python -m tools.mutants.deletion REQUEST ANSWER`` with two JSON files. In a child the
function that returns the registrations is replaced, also where it was imported to, and the tests
run. The parent imports what the children need of other people's packages, so that a child costs
little more than its tests; modules of the tree are left to the children, since any of them may read
registrations when it is imported.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

from tools.mutants.rows import without_one

NOT_APPLIED = 70
"""Exit status of a child that could not put its mutant into place."""

_HOW = {
    int(pytest.ExitCode.OK): "survived",
    int(pytest.ExitCode.TESTS_FAILED): "killed",
    # A start-up check that refuses the mutant while the tests are collected.
    int(pytest.ExitCode.INTERRUPTED): "killed",
    int(pytest.ExitCode.INTERNAL_ERROR): "killed",
}


@dataclass(frozen=True, slots=True)
class Request:
    """What to judge.

    Attributes:
        registrations: ``"module:function"``.
        rows: Paths of the collections that lose a row.
        tests: Paths of the tests.
        jobs: Children at the same time.
        seconds: Limit for one child.
    """

    registrations: str
    rows: Sequence[str]
    tests: Sequence[str]
    jobs: int
    seconds: int


def judge(request: Request, scratch: Path) -> list[tuple[str, str]]:
    """Run the tests once unchanged, then once for each mutant.

    Args:
        request: What to judge.
        scratch: A folder for the tests' files and output.

    Returns:
        Name of each mutant and what became of it.

    Raises:
        RuntimeError: The tests fail without any mutant, or a mutant can't be put into place.
    """
    module, _, function = request.registrations.partition(":")
    original = getattr(importlib.import_module(module), function)
    registrations = original()
    mutants = [
        (f"{path or 'all'}: {label}", rest)
        for path in request.rows
        for label, rest in without_one(registrations, path)
    ]
    children = Children(original, request, scratch)
    _, how = children.wait_for({children.start(0, registrations): 0})
    if how != "survived":
        raise RuntimeError(f"the tests fail without a mutant:\n{children.output(0)}")
    for name in json.loads(children.imported.read_text(encoding="utf-8")):
        importlib.import_module(name)
    waiting = list(enumerate(mutants, start=1))
    running: dict[int, int] = {}
    found: dict[int, str] = {}
    while waiting or running:
        while waiting and len(running) < request.jobs:
            number, (_, rest) = waiting.pop(0)
            running[children.start(number, rest)] = number
        number, found[number] = children.wait_for(running)
    return [(label, found[number]) for number, (label, _) in enumerate(mutants, start=1)]


@dataclass(frozen=True, slots=True)
class Children:
    """Forks children and collects them.

    Attributes:
        original: The function that returns the registrations.
        request: What to judge.
        scratch: Folder for the tests' files and output.
    """

    original: Callable[[], Sequence[object]]
    request: Request
    scratch: Path

    @property
    def imported(self) -> Path:
        """File with the names of the installed modules that the first child came to import."""
        return self.scratch / "imported.json"

    def start(self, number: int, registrations: Sequence[object]) -> int:
        """Fork a child that runs the tests with these registrations, and return its process id."""
        child = os.fork()
        if child == 0:
            self._run(number, registrations)
        return child

    def wait_for(self, running: dict[int, int]) -> tuple[int, str]:
        """Wait until a child ends, take it out of ``running`` (process id → number) and judge it.

        Raises:
            RuntimeError: It could not put its mutant into place, or ran no test.
        """
        child, status = os.waitpid(-1, 0)
        number = running.pop(child)
        code = os.waitstatus_to_exitcode(status)
        if code == -signal.SIGALRM:
            return number, "timeout"
        if code not in _HOW:
            raise RuntimeError(f"mutant {number} ended with status {code}:\n{self.output(number)}")
        return number, _HOW[code]

    def output(self, number: int) -> str:
        """What a child wrote."""
        return (self.scratch / f"{number}.txt").read_text(encoding="utf-8", errors="replace")

    def _run(self, number: int, registrations: Sequence[object]) -> NoReturn:
        """The child: never returns, so that nothing of the parent runs twice."""
        code = NOT_APPLIED
        try:
            with (self.scratch / f"{number}.txt").open("wb") as output:
                os.dup2(output.fileno(), 1)
                os.dup2(output.fileno(), 2)
            replace_everywhere(self.original, lambda: list(registrations))
            signal.alarm(self.request.seconds)  # ends the process by its default action
            code = int(
                pytest.main(
                    [
                        "-x",
                        "-q",
                        "-Wignore::pytest.PytestAssertRewriteWarning",  # hypothesis is imported already
                        "--hypothesis-profile=ci",
                        f"--basetemp={self.scratch / str(number)}",
                        *self.request.tests,
                    ]
                )
            )
            if number == 0:
                self.imported.write_text(json.dumps(installed_modules()), encoding="utf-8")
        except BaseException:  # noqa: BLE001 - reported by the parent, with what was written
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)


def replace_everywhere(original: object, replacement: object) -> None:
    """Put a replacement wherever a loaded module has the original as an attribute."""
    for module in list(sys.modules.values()):
        for name, value in list(getattr(module, "__dict__", {}).items()):
            if value is original:
                setattr(module, name, replacement)


def installed_modules() -> list[str]:
    """Names of the imported modules that came from installed packages, in their order."""
    return [
        name
        for name, module in list(sys.modules.items())
        if "site-packages" in (getattr(module, "__file__", None) or "")
        and getattr(getattr(module, "__spec__", None), "name", "") == name
    ]


def main(arguments: Sequence[str]) -> int:
    """Judge what the first file asks for and write the answer to the second."""
    request_file, answer_file = (Path(argument) for argument in arguments)
    request = Request(**json.loads(request_file.read_text(encoding="utf-8")))
    with tempfile.TemporaryDirectory(prefix="computor-mutants-rows-") as scratch:
        try:
            answer = judge(request, Path(scratch))
        except (RuntimeError, ValueError, ImportError, AttributeError) as error:
            print(error, file=sys.stderr)
            return 1
    answer_file.write_text(json.dumps(answer), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
