"""Row mutants of one target: asks a process in the copy of the tree to judge them."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from tools.mutants.deletion import Request
from tools.mutants.errors import MutantsError
from tools.mutants.outcome import Outcome
from tools.mutants.programs import repeatable, run
from tools.mutants.targets import RowTarget

SECONDS_FOR_A_ROW = 180


def row_outcomes(target: RowTarget, copy: Path, *, jobs: int, limit: float) -> list[Outcome]:
    """Take out every row of a target in turn and run its tests.

    Args:
        target: The table and its tests.
        copy: Root of a copy of the tree.
        jobs: Mutants judged at the same time.
        limit: Seconds for all of them.

    Raises:
        MutantsError: There is no row, the tests fail unchanged, or something else went wrong.
    """
    request = Request(target.registrations, target.rows, target.tests, jobs, SECONDS_FOR_A_ROW)
    with tempfile.TemporaryDirectory(prefix="computor-mutants-ask-") as folder:
        question, answer = Path(folder) / "request.json", Path(folder) / "answer.json"
        question.write_text(json.dumps(asdict(request)), encoding="utf-8")
        command: list[str | Path] = [sys.executable, "-m", "tools.mutants.deletion", question, answer]
        # The copy comes before what is installed, and this tool may not be part of the copy.
        path = os.pathsep.join([str(copy), str(Path(__file__).parents[2])])
        run(target.name, command, copy, repeatable(copy, PYTHONPATH=path), limit)
        judged: list[tuple[str, str]] = json.loads(answer.read_text(encoding="utf-8"))
    if not judged:
        raise MutantsError(f"{target.name}: {target.registrations} has no rows at {', '.join(target.rows)}")
    return [Outcome(target.name, label, how in {"killed", "timeout"}, how) for label, how in judged]
