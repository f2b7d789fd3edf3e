"""The command line of ``python -m tools.mutants``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from tools.mutants.code import code_outcomes
from tools.mutants.errors import MutantsError
from tools.mutants.outcome import Outcome, scores
from tools.mutants.tables import row_outcomes
from tools.mutants.targets import CodeTarget, Target, choose, read_targets
from tools.mutants.workcopy import work_copy

ROOT = Path(__file__).parents[2]
LIMIT = 7200.0
"""Seconds for one target."""


def main(arguments: Sequence[str]) -> int:
    """Break what was asked for and print what no test noticed.

    Returns:
        0; 1 when too few mutants were noticed or a run failed; 2 for wrong usage.
    """
    options = _parser().parse_args(arguments)
    try:
        targets = choose(read_targets(options.targets), options.target)
    except MutantsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if options.list:
        for target in targets:
            print(_description(target))
        return 0
    # A target that can't be judged doesn't keep the others from it.
    results = [_judge(target, options) for target in targets]
    return 0 if all(results) else 1


def _judge(target: Target, options: argparse.Namespace) -> bool:
    try:
        with work_copy(options.root) as copy:
            outcomes = _outcomes(target, copy, options)
    except MutantsError as error:
        print(f"error: {error}", file=sys.stderr)
        return False
    results = scores(outcomes, target.noticed)
    for score in results:
        print(score.line())
        _print_survivors(outcome for outcome in outcomes if outcome.group == score.group)
    sys.stdout.flush()
    return all(score.enough for score in results)


def _outcomes(target: Target, copy: Path, options: argparse.Namespace) -> list[Outcome]:
    if isinstance(target, CodeTarget):
        return code_outcomes(target, copy, jobs=options.jobs, limit=LIMIT, differences=options.diffs)
    return row_outcomes(target, copy, jobs=options.jobs, limit=LIMIT)


def _print_survivors(outcomes: Iterable[Outcome]) -> None:
    for outcome in outcomes:
        if not outcome.noticed:
            print(f"  {outcome.how}: {outcome.mutant}")
            if outcome.difference:
                print("\n".join(f"    {line}" for line in outcome.difference.splitlines()))


def _description(target: Target) -> str:
    what = ", ".join(target.files if isinstance(target, CodeTarget) else (target.registrations,))
    return f"{target.name}: {what}; tests: {', '.join(target.tests)}; wanted: {target.noticed} %"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.mutants", description="Break the code on purpose; name what no test notices."
    )
    parser.add_argument("target", nargs="*", help="names in targets.toml; all without any")
    parser.add_argument("--list", action="store_true", help="say what there is and end")
    parser.add_argument("--diffs", action="store_true", help="show what each surviving code mutant changed")
    parser.add_argument(
        "--jobs", type=_positive, default=os.cpu_count() or 1, help="mutants judged at the same time"
    )
    parser.add_argument("--root", type=Path, default=ROOT, help="root of the tree (default: this one)")
    parser.add_argument(
        "--targets",
        type=Path,
        default=ROOT / "tools" / "mutants" / "targets.toml",
        help="what is broken (default: tools/mutants/targets.toml)",
    )
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number
