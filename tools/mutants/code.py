"""Code mutants: mutmut configured for one target, run in a copy of the tree, its results read."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from tools.mutants.errors import MutantsError
from tools.mutants.outcome import Outcome
from tools.mutants.programs import repeatable, run
from tools.mutants.targets import CodeTarget

SECTION = "[tool.mutmut]"
_RESULT = re.compile(r"^    (?P<key>\S+): (?P<status>[a-z ]+)$", re.MULTILINE)
_MODULE = re.compile(r"(?P<module>[\w.]+?)\.x(?=[_ǁ])")
_NOTICED = frozenset({"killed", "timeout"})


def code_outcomes(
    target: CodeTarget, copy: Path, *, jobs: int, limit: float, differences: bool
) -> list[Outcome]:
    """Make and judge all mutants of a target.

    Args:
        target: What to mutate.
        copy: Root of a copy of the tree; its ``pyproject.toml`` has a section ``[tool.mutmut]``
            with what all targets share.
        jobs: Mutants judged at the same time.
        limit: Seconds for the whole run.
        differences: Whether survivors come with a diff.

    Raises:
        MutantsError: mutmut failed, or the tests fail without any mutant.
    """
    configure(target, copy)
    _mutmut(copy, target.name, limit, "run", "--max-children", str(jobs))
    results = _mutmut(copy, target.name, limit, "results", "--all", "true")
    found = [
        _outcome(match["key"], match["status"], copy, limit, differences)
        for match in _RESULT.finditer(results)
    ]
    if not found:
        raise MutantsError(f"{target.name}: mutmut made no mutant in {', '.join(target.files)}")
    return sorted(found, key=lambda outcome: _natural(outcome.mutant))


def configure(target: CodeTarget, copy: Path) -> None:
    """Add the target's files and tests to the copy's section ``[tool.mutmut]``.

    Raises:
        MutantsError: There is no such section, or a test isn't there.
    """
    for test in target.tests:
        if not (copy / test.partition("::")[0]).exists():
            raise MutantsError(f"{target.name}: there is no {test}")
    file = copy / "pyproject.toml"
    before, section, after = file.read_text(encoding="utf-8").partition(f"{SECTION}\n")
    if not section:
        raise MutantsError(f"pyproject.toml has no section {SECTION}")
    # JSON's lists of strings are TOML's, too.
    own = (
        f"only_mutate = {json.dumps(list(target.files))}\n"
        f"pytest_add_cli_args_test_selection = {json.dumps(list(target.tests))}\n"
    )
    file.write_text(f"{before}{section}{own}{after}", encoding="utf-8")


def _outcome(key: str, status: str, copy: Path, limit: float, differences: bool) -> Outcome:
    match = _MODULE.match(key)
    if match is None:
        raise MutantsError(f"mutmut reports a mutant of an unknown kind: {key}")
    noticed = status in _NOTICED
    show = differences and not noticed
    difference = _mutmut(copy, key, limit, "show", key).strip() if show else ""
    return Outcome(match["module"], key, noticed, status, difference)


def _mutmut(copy: Path, what: str, limit: float, *arguments: str) -> str:
    # The script, since mutmut warns about `python -m mutmut`.
    script = Path(sys.executable).with_name("mutmut")
    return run(what, [script, *arguments], copy, repeatable(copy), limit)


def _natural(key: str) -> tuple[str, int]:
    name, _, number = key.rpartition("__mutmut_")
    return name, int(number)
