"""`python -m tools.mutants` names exactly the mutants that no test notices, and changes no file."""

from __future__ import annotations

import hashlib
import os
import select
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tools.mutants import cli
from tools.mutants.deletion import replace_everywhere
from tools.mutants.errors import MutantsError
from tools.mutants.outcome import Outcome, scores
from tools.mutants.programs import repeatable, run
from tools.mutants.rows import without_one
from tools.mutants.targets import CodeTarget, RowTarget, choose, read_targets
from tools.mutants.workcopy import work_copy

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Rule:
    name: str
    branches: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Role:
    id: str
    actions: frozenset[str] = frozenset()
    rules: tuple[Rule, ...] = ()


ROLES = (
    Role("tutor", frozenset({"read", "grade"}), (Rule("own", ("a", "b")), Rule("all", ("c",)))),
    Role("student", frozenset({"read"})),
)


class TestRows:
    def test_each_row_is_missing_once_and_nothing_else_changes(self):
        found = list(without_one(ROLES, "actions"))
        assert [label for label, _ in found] == ["tutor / grade", "tutor / read", "student / read"]
        assert [[sorted(role.actions) for role in rest] for _, rest in found] == [
            [["read"], ["read"]],
            [["grade"], ["read"]],
            [["grade", "read"], []],
        ]
        assert all(rest[0].rules == ROLES[0].rules for _, rest in found)

    def test_a_path_leads_into_nested_collections(self):
        found = dict(without_one(ROLES, "rules.branches"))
        assert list(found) == ["tutor / own / a", "tutor / own / b", "tutor / all / c"]
        assert found["tutor / own / a"][0].rules == (Rule("own", ("b",)), Rule("all", ("c",)))
        assert found["tutor / own / a"][1] == ROLES[1]

    def test_the_empty_path_takes_whole_registrations(self):
        assert [(label, rest) for label, rest in without_one(ROLES, "")] == [
            ("tutor", [ROLES[1]]),
            ("student", [ROLES[0]]),
        ]

    def test_a_plus_keeps_the_last_row_of_a_collection(self):
        assert [label for label, _ in without_one(ROLES, "rules.branches+")] == [
            "tutor / own / a",
            "tutor / own / b",
        ]

    def test_a_mapping_loses_one_key_at_a_time(self):
        @dataclass(frozen=True)
        class Entity:
            name: str
            access: dict[str, str]

        found = dict(
            without_one([Entity("courses", {"get": "course.read", "list": "course.read"})], "access")
        )
        assert [rest[0].access for rest in found.values()] == [
            {"list": "course.read"},
            {"get": "course.read"},
        ]

    @pytest.mark.parametrize("path", ["nothing", "id", "rules.nothing", "actions.more", "rules+.branches"])
    def test_a_path_that_names_no_collection_is_an_error(self, path):
        with pytest.raises(ValueError, match="path"):
            list(without_one(ROLES, path))

    def test_a_function_is_replaced_where_it_was_imported_to(self, monkeypatch):
        def original():
            return 1

        here = sys.modules[__name__]
        monkeypatch.setattr(here, "first", original, raising=False)
        monkeypatch.setattr(here, "second", original, raising=False)
        replace_everywhere(original, lambda: 2)
        assert here.first() == here.second() == 2


class TestScores:
    def test_they_count_by_group(self):
        outcomes = [
            Outcome("b", "1", noticed=True, how="killed"),
            Outcome("a", "2", noticed=True, how="timeout"),
            Outcome("a", "3", noticed=False, how="survived"),
        ]
        first, second = scores(outcomes, 80)
        assert first.line() == "a: 1 killed, 1 survived (50.0 %, wanted 80 %)"
        assert second.line() == "b: 1 killed, 0 survived (100.0 %)"
        assert (first.enough, second.enough) == (False, True)

    def test_the_wanted_percentage_itself_is_enough(self):
        outcomes = [Outcome("a", str(number), number < 4, "") for number in range(5)]
        assert scores(outcomes, 80)[0].enough
        assert not scores(outcomes, 81)[0].enough


NOTICED = "[noticed]\ncode = 80\nrows = 100\n"
CODE = '[[code]]\nname = "a"\nfiles = ["f"]\ntests = ["t"]\n'
ROWS = '[[rows]]\nname = "a"\nregistrations = "m:f"\nrows = ["x.y"]\ntests = ["t"]\n'


class TestTargets:
    def test_the_real_file_names_files_and_tests_that_are_there(self):
        targets = read_targets()
        assert {"schedule", "trees", "receipts"} <= {target.name for target in targets}
        for target in targets:
            for test in target.tests:
                assert (ROOT / test.partition("::")[0]).exists(), test
            if isinstance(target, CodeTarget):
                assert all(list(ROOT.glob(pattern)) for pattern in target.files), target

    def test_everything_that_is_said_is_read(self, tmp_path):
        file = tmp_path / "targets.toml"
        file.write_text(NOTICED + ROWS + CODE.replace('"a"', '"c"'))
        assert read_targets(file) == (
            CodeTarget("c", ("f",), ("t",), 80),
            RowTarget("a", "m:f", ("x.y",), ("t",), 100),
        )

    @pytest.mark.parametrize(
        ("text", "complaint"),
        [
            ("", "'noticed' is missing"),
            ("not toml", "line 1"),
            (f"{NOTICED}[extra]\n", "unknown entry extra"),
            (NOTICED + CODE.replace('["f"]', "[]"), "files of target 'a'"),
            (NOTICED + CODE.replace("tests", "test"), "unknown entry: test"),
            (NOTICED + CODE.replace('tests = ["t"]', ""), "'tests' is missing"),
            (f"{NOTICED}{CODE}{CODE}", "twice: a"),
            (NOTICED + ROWS.replace("m:f", "m"), "module:function"),
        ],
    )
    def test_a_malformed_file_is_refused_with_the_reason(self, tmp_path, text, complaint):
        file = tmp_path / "targets.toml"
        file.write_text(text)
        with pytest.raises(MutantsError, match=complaint):
            read_targets(file)

    def test_unknown_names_are_told_apart_from_known_ones(self):
        targets = read_targets()
        assert [target.name for target in choose(targets, ["trees", "schedule"])] == ["schedule", "trees"]
        with pytest.raises(MutantsError, match=r"nope; there are: .*schedule"):
            choose(targets, ["schedule", "nope"])


class TestPrograms:
    def test_a_slow_program_is_ended_with_its_children(self, tmp_path):
        os.mkfifo(tmp_path / "alive")
        with os.fdopen(os.open(tmp_path / "alive", os.O_RDONLY | os.O_NONBLOCK), "rb") as alive:
            command = ["sh", "-c", "sleep 600 > alive & wait"]
            with pytest.raises(MutantsError, match="did not end within"):
                run("slow", command, tmp_path, repeatable(tmp_path), limit=1)
            os.set_blocking(alive.fileno(), True)
            readable, _, _ = select.select([alive], [], [], 60)
            assert readable, "the child still holds its end of the pipe"
            assert alive.read() == b""

    def test_a_failing_program_shows_its_last_lines(self, tmp_path):
        with pytest.raises(MutantsError, match=r"exited with 3\n  \| why"):
            run("bad", ["sh", "-c", "echo why >&2; exit 3"], tmp_path, repeatable(tmp_path), limit=60)

    def test_a_missing_program_is_named(self, tmp_path):
        with pytest.raises(MutantsError, match="no-such-program"):
            run("none", ["no-such-program"], tmp_path, repeatable(tmp_path), limit=60)


PROJECT = {
    "pyproject.toml": """
[tool.pytest.ini_options]
pythonpath = ["."]

[tool.mutmut]
source_paths = ["sample"]
also_copy = []
""",
    "sample/__init__.py": "",
    "sample/prices.py": """
def reduced(price: int, amount: int) -> int:
    return price - amount


def untested(price: int) -> int:
    return price + 1
""",
    "sample/roles.py": """
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Role:
    name: str
    actions: frozenset[str] = field(default_factory=frozenset)


def registrations():
    return [Role("tutor", frozenset({"read", "grade"})), Role("student", frozenset({"read"}))]
""",
    "tests/test_prices.py": """
from sample.prices import reduced


def test_reduced():
    assert reduced(5, 2) == 3
""",
    "tests/test_roles.py": """
from sample.roles import registrations


def test_a_tutor_grades_and_somebody_reads():
    actions = {role.name: role.actions for role in registrations()}
    assert "grade" in actions["tutor"]
    assert "read" in actions["student"] | actions["tutor"]
""",
    "targets.toml": """
[noticed]
code = 80
rows = 100

[[code]]
name = "prices"
files = ["sample/prices.py"]
tests = ["tests/test_prices.py"]

[[rows]]
name = "roles"
registrations = "sample.roles:registrations"
rows = ["", "actions"]
tests = ["tests/test_roles.py"]
""",
}


@pytest.fixture
def project(tmp_path):
    for name, text in PROJECT.items():
        file = tmp_path / "project" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path / "project"


def digest_of(root: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(root.rglob("*")):
        digest.update(f"{file.relative_to(root)}\0".encode())
        digest.update(file.read_bytes() if file.is_file() else b"")
    return digest.hexdigest()


def main_on(project: Path, *arguments: str) -> int:
    return cli.main(["--root", str(project), "--targets", str(project / "targets.toml"), *arguments])


class TestRun:
    def test_code_that_no_test_reaches_survives_by_name(self, project, capsys):
        before = digest_of(project)
        assert main_on(project, "--jobs", "1", "--diffs", "prices") == 1
        lines = capsys.readouterr().out.splitlines()
        assert lines[0] == "sample.prices: 1 killed, 2 survived (33.3 %, wanted 80 %)"
        assert [line for line in lines if line.startswith("  no tests:")] == [
            "  no tests: sample.prices.x_untested__mutmut_1",
            "  no tests: sample.prices.x_untested__mutmut_2",
        ]
        assert "    +    return price - 1" in lines
        assert digest_of(project) == before

    def test_a_row_that_can_be_taken_out_unnoticed_survives_by_name(self, project, capsys):
        before = digest_of(project)
        assert main_on(project, "--jobs", "2", "roles") == 1
        assert capsys.readouterr().out.splitlines() == [
            "roles: 3 killed, 2 survived (60.0 %, wanted 100 %)",
            "  survived: actions: tutor / read",
            "  survived: actions: student / read",
        ]
        assert digest_of(project) == before

    def test_it_passes_when_every_mutant_is_noticed(self, project, capsys):
        (project / "tests/test_prices.py").write_text(
            "from sample.prices import reduced, untested\n\n"
            "def test_both():\n    assert (reduced(5, 2), untested(4)) == (3, 5)\n"
        )
        assert main_on(project, "--jobs", "1", "prices") == 0
        assert capsys.readouterr().out.splitlines() == ["sample.prices: 3 killed, 0 survived (100.0 %)"]

    @pytest.mark.parametrize("target", ["prices", "roles"])
    def test_tests_that_fail_without_a_mutant_are_an_error_not_a_kill(self, project, capsys, target):
        (project / f"tests/test_{target}.py").write_text("def test_wrong():\n    assert False\n")
        assert main_on(project, "--jobs", "1", target) == 1
        captured = capsys.readouterr()
        assert captured.out == ""
        assert f"error: {target}:" in captured.err

    def test_a_missing_test_file_is_named(self, project, capsys):
        (project / "tests/test_prices.py").unlink()
        assert main_on(project, "prices") == 1
        assert "there is no tests/test_prices.py" in capsys.readouterr().err

    def test_ended_by_a_signal_it_leaves_no_process_and_no_copy(self, project, tmp_path):
        os.mkfifo(tmp_path / "alive")
        (project / "tests/test_roles.py").write_text(
            "import time\n\ndef test_slow():\n"
            f"    with open({str(tmp_path / 'alive')!r}, 'w') as alive:\n"
            "        alive.write('here')\n        alive.flush()\n        time.sleep(600)\n"
        )
        scratch = tmp_path / "scratch"
        scratch.mkdir()
        command = [sys.executable, "-m", "tools.mutants", "--root", project]
        command += ["--targets", project / "targets.toml", "--jobs", "1", "roles"]
        tool = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "TMPDIR": str(scratch)})
        with (tmp_path / "alive").open("rb") as alive:  # waits until the test runs
            assert alive.read(4) == b"here"
            assert list(scratch.iterdir())
            tool.terminate()
            assert tool.wait(60) == 128 + signal.SIGTERM
            readable, _, _ = select.select([alive], [], [], 60)
            assert readable, "the test still runs"
            assert alive.read() == b""
        assert list(scratch.iterdir()) == []

    def test_an_unknown_name_is_wrong_usage(self, project, capsys):
        assert main_on(project, "nope") == 2
        assert "nope" in capsys.readouterr().err

    def test_the_list_says_what_there_is(self, project, capsys):
        assert main_on(project, "--list") == 0
        assert capsys.readouterr().out.splitlines() == [
            "prices: sample/prices.py; tests: tests/test_prices.py; wanted: 80 %",
            "roles: sample.roles:registrations; tests: tests/test_roles.py; wanted: 100 %",
        ]


def test_the_copy_leaves_environments_and_history_behind(tmp_path):
    root = tmp_path / "tree"
    for name in (
        ".git/config",
        ".venv/bin/python",
        "mutants/a.py",
        "package/a.py",
        "package/__pycache__/a.pyc",
    ):
        file = root / name
        file.parent.mkdir(parents=True)
        file.write_text("x")
    with work_copy(root) as copy:
        assert [str(file.relative_to(copy)) for file in copy.rglob("*") if file.is_file()] == ["package/a.py"]
        (copy / "package/a.py").write_text("changed")
    assert not copy.exists()
    assert (root / "package/a.py").read_text() == "x"
