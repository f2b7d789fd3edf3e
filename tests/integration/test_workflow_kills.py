"""SIGKILL at every durable transition of a run; a fresh process takes it up and ends it.

Each test kills a real host at one failpoint, starts another one on what it left, and accounts for
every effect: what was journaled isn't done again, what was under way is, and the run has one end.
"""

import ast
import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

import computor_core.workflows
from computor_core.workflows.kill_points import FAILPOINTS
from computor_core.workflows.samples.ledger import Record, read

HOST = Path(__file__).with_name("killable_host.py")

# first(1)=2; second(2)=12, third(2)=102; the event brings 1000; the child's chain(2)=113.
OUTPUT = 12 + 102 + 1000 + 113
STEPS = ("first", "second", "third", "flaky", "clean_up")
CALLS = 8
"""Calls of steps in all: five of the run's own and three of its child's."""

ON_SQLITE = [
    *(name for name in FAILPOINTS if "<step>" not in name and name != "reconciler.asked"),
    *(f"step.{moment}.sample.{step}" for step in STEPS for moment in ("before", "after", "journaled")),
    # Later passes: with branches under way, before the sleep, of the child, of the parent's end.
    *(f"run.{moment}:{count}" for moment in ("before_journal", "journaled") for count in (2, 3, 4, 5, 7, 9)),
    *(f"run.{moment}:{count}" for moment in ("before_suspend", "suspended", "claimed") for count in (2, 3)),
    "run.before_end:2",
    "run.ended:2",
    "settle.before:2",
    "settle.after:2",
    "settle.recorded:2",
    "handler.handled:2",
    "handler.recorded:3",
]
ON_POSTGRES = [
    "outbox.started",
    "run.claimed",
    "step.after.sample.first",
    "step.after.sample.third",
    "run.before_journal:3",
    "run.before_suspend",
    "signal.arrived",
    "run.ended",
    "settle.after",
    "sequencer.before_stamp",
    "handler.handled",
]


@pytest.fixture(scope="module")
def server() -> Iterator[subprocess.Popen[str]]:
    """Forks hosts on request."""
    with subprocess.Popen(
        [sys.executable, str(HOST)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.stdin.close()


@dataclass
class Hosts:
    """Runs hosts one after the other on the same database and ledger."""

    server: subprocess.Popen[str]
    url: str
    folder: Path
    workflow: str = "sample.everything"

    @property
    def ledger(self) -> Path:
        return self.folder / "ledger.jsonl"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def run(self, failpoint: str = "") -> int:
        """The exit status of one host's process."""
        names = ("ledger.jsonl", "log", "outcome.json")
        ledger, log, outcome = (str(self.folder / name) for name in names)
        request = {"url": self.url, "workflow": self.workflow, "failpoint": failpoint}
        request |= {"ledger": ledger, "log": log, "outcome": outcome}
        self.server.stdin.write(json.dumps(request) + "\n")
        self.server.stdin.flush()
        return int(self.server.stdout.readline())

    def outcome(self) -> dict[str, object]:
        return json.loads((self.folder / "outcome.json").read_text())

    def records(self, what: str = "did") -> list[Record]:
        found = read(self.ledger) if self.ledger.exists() else []
        return [item for item in found if item.what == what]

    def effects(self) -> Counter[str]:
        """How often each call of a step had its effect, by idempotency key."""
        return Counter(item.key for item in self.records())

    def rows(self, statement: str) -> list[tuple[object, ...]]:
        drivers = {"sqlite": "sqlite", "postgresql": "postgresql+asyncpg"}
        url = make_url(self.url)
        if url.get_backend_name() == "sqlite":
            engine = create_engine(url.set(drivername=drivers["sqlite"]))
            with engine.connect() as connection:
                found = [tuple(row) for row in connection.execute(text(statement))]
            engine.dispose()
            return found
        return self._postgres_rows(statement)

    def _postgres_rows(self, statement: str) -> list[tuple[object, ...]]:
        import asyncio

        import asyncpg

        async def fetch() -> list[tuple[object, ...]]:
            address = make_url(self.url).set(drivername="postgresql").render_as_string(hide_password=False)
            connection = await asyncpg.connect(address)
            try:
                return [tuple(row) for row in await connection.fetch(statement)]
            finally:
                await connection.close()

        return asyncio.run(fetch())

    def journaled(self) -> set[str]:
        """Idempotency keys of the calls whose result is journaled."""
        done = self.rows("SELECT run_id, position FROM workflow_step WHERE kind = 'step' AND state = 'done'")
        return {f"{str(run_id).replace('-', '')}:{position}" for run_id, position in done}


def plain(keys: Counter[str]) -> Counter[str]:
    """Keys without the hyphens of their ids, which SQLite stores none of."""
    return Counter({key.replace("-", ""): count for key, count in keys.items()})


def check_killed_and_resumed(hosts: Hosts, failpoint: str) -> None:
    assert hosts.run(failpoint) == -signal.SIGKILL, f"not killed at {failpoint}:\n{hosts.log}"
    journaled, before = hosts.journaled(), plain(hosts.effects())

    assert hosts.run() == 0, hosts.log
    assert hosts.outcome() == {"state": "completed", "output": OUTPUT, "failure": None}

    # Every call had its effect; only one that was under way and not journaled had it again.
    after = plain(hosts.effects())
    assert len(after) == CALLS
    repeated = {key for key, count in after.items() if count > 1}
    assert repeated <= set(before) - journaled
    assert all(count <= 2 for count in after.values())
    assert {key: after[key] for key in journaled} == dict.fromkeys(journaled, 1)

    # One end, recorded once, for the run and for its child; both settled, at least once.
    ends = hosts.rows("SELECT state, settled_at FROM workflow_run")
    assert [state for state, _ in ends] == ["completed", "completed"]
    assert all(settled for _, settled in ends)
    settled = Counter(item.run_id for item in hosts.records("settled"))
    assert len(settled) == 2
    assert all(1 <= count <= 2 for count in settled.values())
    assert all(item.value == "completed:" for item in hosts.records("settled"))

    # The events have their numbers without a gap, and the observer heard them in order.
    assert hosts.rows("SELECT seq FROM event_log ORDER BY id") == [(1,), (2,), (3,)]
    heard = [item.key for item in hosts.records("heard")]
    assert list(dict.fromkeys(heard)) == sorted(set(heard))
    assert len(set(heard)) == 3
    assert len(heard) <= 4


def on_sqlite(server: subprocess.Popen[str], folder: Path, workflow: str = "sample.everything") -> Hosts:
    return Hosts(server, f"sqlite+aiosqlite:///{folder}/killed.db", folder, workflow)


@pytest.mark.parametrize("failpoint", ON_SQLITE)
def test_a_killed_hosts_run_is_taken_up(
    failpoint: str, tmp_path: Path, server: subprocess.Popen[str]
) -> None:
    check_killed_and_resumed(on_sqlite(server, tmp_path), failpoint)


@pytest.mark.postgres
@pytest.mark.parametrize("failpoint", ON_POSTGRES)
def test_a_killed_hosts_run_is_taken_up_on_postgres(
    failpoint: str, tmp_path: Path, server: subprocess.Popen[str], postgres_url: str
) -> None:
    check_killed_and_resumed(Hosts(server, postgres_url, tmp_path), failpoint)


def test_a_step_with_one_attempt_isnt_repeated_after_a_kill(
    tmp_path: Path, server: subprocess.Popen[str]
) -> None:
    hosts = on_sqlite(server, tmp_path, "sample.once")
    assert hosts.run("step.after.sample.once") == -signal.SIGKILL
    assert hosts.run() == 0, hosts.log
    assert hosts.outcome() == {"state": "failed", "output": None, "failure": "step_failed"}
    assert [item.step for item in hosts.records()] == ["sample.once"]
    assert [item.value for item in hosts.records("settled")] == [
        "failed:step sample.once failed: its host ended during the last attempt"
    ]


def test_killed_at_every_turn_a_run_still_ends_once(tmp_path: Path, server: subprocess.Popen[str]) -> None:
    """One run, killed again and again wherever it gets to."""
    hosts = on_sqlite(server, tmp_path)
    turns = ("run.journaled", "run.before_journal", "run.suspended", "run.claimed", "run.journaled:2")
    statuses = [hosts.run(turn) for turn in turns]
    assert statuses == [-signal.SIGKILL] * len(turns)
    assert hosts.run() == 0, hosts.log
    assert hosts.outcome()["output"] == OUTPUT
    assert len(hosts.effects()) == CALLS
    assert hosts.rows("SELECT state FROM workflow_run") == [("completed",), ("completed",)]


def test_the_list_of_failpoints_is_the_codes() -> None:
    """Every place in the code is listed, and every listed place is in the code."""
    root = Path(computor_core.workflows.__file__).parent
    found: set[str] = set()
    for path in (*root.glob("*.py"), *root.with_name("events").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "failpoint":
                (name,) = node.args
                found.add(name.value if isinstance(name, ast.Constant) else f"{name.values[0].value}<step>")
    assert found == set(FAILPOINTS)
