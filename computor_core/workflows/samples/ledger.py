"""What the sample steps did: one line per attempt, effect and settlement."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

__all__ = ["Ledger", "Record"]


@dataclass(frozen=True, slots=True)
class Record:
    """Something that a step did.

    Attributes:
        what: ``"began"``, ``"did"``, ``"cancelled"`` or ``"settled"``.
        step: Name of the step.
        run_id: The run.
        key: Idempotency key of the call.
        attempt: Which attempt.
        value: What it worked on or came to.
    """

    what: str
    step: str
    run_id: str
    key: str
    attempt: int
    value: str


class Ledger:
    """Keeps records in memory, and in a file when there is one, which outlives a killed process.

    Args:
        path: The file, or None.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._records: list[Record] = read(path) if path is not None and path.exists() else []
        self._changed = asyncio.Condition()
        self._open: set[str] = set()

    def enter(self, record: Record) -> None:
        """Write a record down, on the disk before anything else happens."""
        self._records.append(record)
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(record)) + "\n")
                file.flush()
                os.fsync(file.fileno())

    async def announce(self) -> None:
        """Wake who waits for a record."""
        async with self._changed:
            self._changed.notify_all()

    async def let(self, key: str) -> None:
        """Let the steps go on that wait for ``key``."""
        self._open.add(key)
        await self.announce()

    async def until_let(self, key: str) -> None:
        """Wait until ``key`` is let."""
        async with self._changed:
            await self._changed.wait_for(lambda: key in self._open)

    async def until(self, condition: Callable[[list[Record]], bool]) -> None:
        """Wait until the records meet a condition."""
        async with self._changed:
            await self._changed.wait_for(lambda: condition(self._records))

    def of(self, run_id: object, what: str = "did") -> list[Record]:
        """A run's records of a kind, in order."""
        return [item for item in self._records if item.run_id == str(run_id) and item.what == what]

    def counts(self, run_id: object, what: str = "did") -> Mapping[str, int]:
        """How many records of a kind each step of a run has."""
        counts: dict[str, int] = {}
        for item in self.of(run_id, what):
            counts[item.step] = counts.get(item.step, 0) + 1
        return counts


def read(path: Path) -> list[Record]:
    """The records in a file."""
    return [Record(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
