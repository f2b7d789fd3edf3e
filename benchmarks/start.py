"""Start-up times as ratios to the bare interpreter, measured in one run on one machine.

``python benchmarks/start.py`` runs interleaved rounds, prints the median of the ratios and its
spread with the goal of each, and writes them to ``results.json`` under ``"start"``.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

RESULTS = Path(__file__).parent / "results.json"

BARE = [sys.executable, "-c", "pass"]
CASES = {
    "computor --help": ([str(Path(sys.executable).with_name("computor")), "--help"], 6.0),
    "import computor_core.plugin_api": ([sys.executable, "-c", "import computor_core.plugin_api"], 4.0),
}
"""Command and highest ratio wanted, by name."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """A start-up time in units of the bare interpreter's.

    Attributes:
        median: Median of the rounds' ratios.
        low, high: Smallest and largest ratio.
        goal: The highest median wanted.
        milliseconds: Median time, for orientation.
    """

    median: float
    low: float
    high: float
    goal: float
    milliseconds: float

    @property
    def met(self) -> bool:
        """Whether the goal is met."""
        return self.median <= self.goal


def seconds(command: list[str]) -> float:
    """Wall time of one run."""
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=Path(__file__).parents[1])
    return time.perf_counter() - started


def measure(rounds: int) -> tuple[dict[str, Ratio], float]:
    """Run all cases beside the bare interpreter, round by round.

    Returns:
        The ratios by case, and the bare interpreter's median in milliseconds.
    """
    for command in (BARE, *(command for command, _goal in CASES.values())):
        seconds(command)  # bytecode and file cache are warm from here on
    bare: list[float] = []
    times: dict[str, list[float]] = {name: [] for name in CASES}
    for _ in range(rounds):
        bare.append(seconds(BARE))
        for name, (command, _goal) in CASES.items():
            times[name].append(seconds(command))
    ratios = {}
    for name, (_command, goal) in CASES.items():
        each = [one / reference for one, reference in zip(times[name], bare, strict=True)]
        middle = statistics.median(each)
        ratios[name] = Ratio(middle, min(each), max(each), goal, statistics.median(times[name]) * 1000)
    return ratios, statistics.median(bare) * 1000


def write(ratios: dict[str, Ratio], bare: float, rounds: int) -> None:
    """Enter the figures in ``results.json``, whole or not at all; other benchmarks' entries stay."""
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results["start"] = {
        "python": sys.version.split()[0],
        "cores": os.cpu_count(),
        "rounds": rounds,
        "bare_milliseconds": round(bare, 1),
        "ratios": {
            name: {key: round(value, 2) for key, value in asdict(ratio).items()} | {"met": ratio.met}
            for name, ratio in ratios.items()
        },
    }
    draft = RESULTS.with_suffix(".draft")
    draft.write_text(json.dumps(results, indent=2) + "\n")
    draft.replace(RESULTS)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="interleaved rounds, at least 5 (default: 9)")
    rounds = max(5, parser.parse_args().rounds)
    ratios, bare = measure(rounds)
    print(f"bare interpreter: {bare:.1f} ms, {rounds} interleaved rounds")
    for name, ratio in ratios.items():
        verdict = "met" if ratio.met else "MISSED"
        spread = f"{ratio.low:.2f} to {ratio.high:.2f}"
        print(f"{name}: {ratio.median:.2f}x (spread {spread}), goal {ratio.goal:g}x: {verdict}")
    write(ratios, bare, rounds)


if __name__ == "__main__":
    main()
