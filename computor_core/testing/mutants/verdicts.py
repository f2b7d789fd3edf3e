"""Run a conformance suite against implementations in a process of its own, and read its verdicts."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree as ET

__all__ = ["Verdicts", "run_suite"]


@dataclass(slots=True)
class Verdicts:
    """What became of one implementation's tests, by function name without parameters.

    Attributes:
        passed: Tests that passed.
        failed: Tests whose body failed.
        skipped: Tests that a capability switched off.
        broken: Tests that failed in set-up or tear-down; a mutant must not get there.
    """

    passed: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    skipped: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)


def run_suite(module: str, names: Sequence[str], folder: Path) -> dict[str, Verdicts]:
    """Run a generated test module with a fresh pytest.

    Args:
        module: Source of the module; it defines a class ``Test<name>`` for each name.
        names: The implementations' names.
        folder: An empty folder for the module and pytest's report.

    Returns:
        The verdicts by name.

    Raises:
        RuntimeError: pytest itself failed, or a class ran no test; the text has its output.
    """
    path = folder / "test_generated_conformance.py"
    path.write_text(module)
    (folder / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\n")
    report = folder / "report.xml"
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", str(path)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode not in {0, 1} or not report.exists():
        raise RuntimeError(f"pytest ended with {run.returncode}:\n{run.stdout}\n{run.stderr}")
    verdicts = {name: Verdicts() for name in names}
    for case in ET.parse(report).getroot().iter("testcase"):  # noqa: S314 - written by our own pytest
        name = case.get("classname", "").rpartition(".Test")[2]
        _enter(verdicts[name], case)
    silent = [name for name, verdict in verdicts.items() if not verdict.passed]
    if silent:
        raise RuntimeError(f"no test passed for {silent}:\n{run.stdout}")
    return verdicts


def _enter(verdict: Verdicts, case: ET.Element) -> None:
    test = case.get("name", "").partition("[")[0]
    if case.find("error") is not None:
        verdict.broken.add(test)
    elif case.find("failure") is not None:
        verdict.failed.add(test)
    elif case.find("skipped") is not None:
        verdict.skipped.add(test)
    else:
        verdict.passed.add(test)
