"""A third party's plugin from its wheel: installed, used over HTTP and the command line, removed again.

Core, host and plugin are installed from wheels into an environment of their own, and everything
below happens in processes of that environment. The plugin is ``tests/example_plugins/notes``.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import zipfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from computor_fastapi_host.demo import people
from computor_fastapi_host.demo.api import Api
from computor_fastapi_host.demo.course import create_course

from tests.e2e.plugin_wheels import MEMBERS, Environment
from tests.e2e.public_surface import names_in, private_uses
from tests.plugin_sites import EXAMPLES, build_wheels

NOTES = "/x/notes/notes"
ADMIN = "admin@example.org"
EMBEDDED = ["auth_local", "storage_local", "git_local", "runner_local"]
SETTINGS = """
data_dir = "var"
[plugins]
enabled = {enabled}
[auth.instances.default]
type = "local"
time_cost = 1
memory_kib = 64
parallelism = 1
[runner]
minimum_isolation = "auto"
"""
TEXT = "Asks good questions"
NOBODY = "0190b0a0-0000-7000-8000-000000000000"


@dataclass
class Deployment:
    """A deployment with the plugin, and the people in it.

    Attributes:
        environment: Where its programs are.
        course_id: The course.
        people: By name; ``oskar`` isn't in the course, ``rita`` neither but has the plugin's role.
        admin_password: Of the administrator.
        note: A note that tutor Tom wrote on student Ada before anything else happened.
    """

    environment: Environment
    admin_password: str
    course_id: str
    people: dict[str, people.Person]
    note: dict[str, Any]

    @property
    def data(self) -> Path:
        return self.environment.deployment / "var"

    def admin(self, base: str, http: httpx.Client) -> Api:
        return Api(base, http).sign_in(ADMIN, self.admin_password)

    def as_person(self, base: str, http: httpx.Client, name: str) -> Api:
        person = self.people[name]
        return Api(base, http).sign_in(person.email, person.password)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return build_wheels(tmp_path_factory.mktemp("wheels") / "built", [*MEMBERS, EXAMPLES / "notes"])


@pytest.fixture(scope="module")
def environment(wheels: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The wheels installed, and settings with and without the plugin."""
    made = Environment.make(tmp_path_factory.mktemp("third_party"), wheels)
    with_notes = SETTINGS.format(enabled=json.dumps([*EMBEDDED, "notes"]))
    (made.deployment / "computor.toml").write_text(f"{with_notes}[plugins.notes]\nremark_required = true\n")
    (made.deployment / "without.toml").write_text(SETTINGS.format(enabled=json.dumps(EMBEDDED)))
    return made


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def deployment(environment: Environment, http: httpx.Client) -> Deployment:
    """Migrated and populated, with the host stopped again."""
    environment.must("computor", "db", "upgrade")
    password = people.password()
    environment.must(
        "computor", "admin", "create", "--email", ADMIN, "--password-stdin", stdin=f"{password}\n"
    )
    roles = {"lena": "course:_lecturer", "tom": "course:_tutor", "tina": "course:_tutor"}
    roles |= {"ada": "course:_student", "ben": "course:_student", "oskar": "", "rita": ""}
    with environment.serving() as base:
        admin = Api(base, http).sign_in(ADMIN, password)
        _, course_id = create_course(admin)
        cast = {
            name: people.Person(role, name, "", f"{name}@example.org", people.password(), Api(base, http))
            for name, role in roles.items()
        }
        for person in cast.values():
            people.register(admin, person)
            if person.role:
                people.enrol(admin, course_id, person)
        admin.create("/user-roles", user_id=cast["rita"].user_id, role_id="notes_reader")
        note = cast["tom"].api.create(NOTES, course_member_id=cast["ada"].member_id, text=TEXT)
    return Deployment(environment, password, course_id, cast, note)


def rows(database: Path, statement: str, *values: object) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return connection.execute(statement, values).fetchall()


def key(text: str) -> str:
    """An id as SQLite has it."""
    return text.replace("-", "")


# --- the wheel -------------------------------------------------------------------------------


def test_the_plugin_takes_nothing_of_computor_but_its_public_surface(wheels: list[Path]) -> None:
    (wheel,) = [item for item in wheels if item.name.startswith("computor_notes-")]
    assert private_uses(wheel) == []


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("import computor_core.app as app", "computor_core.app"),
        ("from computor_core import model", "computor_core.model"),
        ("def f():\n    from computor_core.model import User", "computor_core.model.User"),
        ("HANDLER = 'computor_core.services.grading:publish_grade'", "computor_core.services.grading"),
        ("import computor_fastapi_host", "computor_fastapi_host"),
    ],
)
def test_a_use_of_something_private_would_be_found(
    wheels: list[Path], tmp_path: Path, line: str, named: str
) -> None:
    (wheel,) = [item for item in wheels if item.name.startswith("computor_notes-")]
    spoilt = Path(shutil.copy(wheel, tmp_path))
    with zipfile.ZipFile(spoilt, "a") as archive:
        archive.writestr("computor_notes/planted.py", f"{line}\n")
    (found,) = private_uses(spoilt)
    assert found.startswith(f"computor_notes/planted.py: {named}")


def test_relative_imports_and_prose_are_no_uses() -> None:
    source = '"""Like computor_core.app, but smaller."""\nfrom . import access\nfrom .app import x\n'
    assert list(names_in(source)) == []


def test_only_the_wheels_are_imported(environment: Environment) -> None:
    names = "computor_core", "computor_fastapi_host", "computor_cli", "computor_notes", "computor_auth_local"
    files = environment.must(
        "python", "-c", f"import {', '.join(names)}\nfor one in ({', '.join(names)}): print(one.__file__)"
    ).split()
    assert len(files) == len(names)
    assert all(Path(file).is_relative_to(environment.site) for file in files)
    assert "No broken requirements found" in environment.must("pip", "check")


# --- installed -------------------------------------------------------------------------------


@pytest.fixture(scope="class")
def host(deployment: Deployment) -> Iterator[str]:
    with deployment.environment.serving() as base:
        yield base


class TestInstalled:
    """What an institution has from it."""

    @pytest.fixture
    def admin(self, deployment: Deployment, host: str, http: httpx.Client) -> Api:
        return deployment.admin(host, http)

    @pytest.fixture
    def lena(self, deployment: Deployment, host: str, http: httpx.Client) -> Api:
        return deployment.as_person(host, http, "lena")

    @pytest.fixture
    def tom(self, deployment: Deployment, host: str, http: httpx.Client) -> Api:
        return deployment.as_person(host, http, "tom")

    def write(self, deployment: Deployment, api: Api, text: str, about: str = "ben") -> dict[str, Any]:
        return api.create(NOTES, course_member_id=deployment.people[about].member_id, text=text)

    def test_its_operations_are_in_the_api_description(self, host: str, http: httpx.Client) -> None:
        document = http.get(f"{host}/api/v1/openapi.json").json()
        paths = {path: sorted(found) for path, found in document["paths"].items() if "/x/notes/" in path}
        assert paths == {
            "/api/v1/x/notes/notes": ["get", "post"],
            "/api/v1/x/notes/notes/{id}": ["delete", "get", "patch"],
            "/api/v1/x/notes/notes/{id}/settle": ["post"],
            "/api/v1/x/notes/courses/{course_id}/summary": ["get"],
        }
        made = document["paths"]["/api/v1/x/notes/notes"]["post"]
        assert made["x-required-action"] == "notes:note.write"
        assert {"NoteCreate", "NoteGet", "SettleInput", "NoteSummary"} <= set(
            document["components"]["schemas"]
        )

    def test_a_note_is_written_read_changed_and_deleted(self, deployment: Deployment, tom: Api) -> None:
        made = self.write(deployment, tom, "  Late twice ")
        assert made["text"] == "Late twice"
        assert made["author_id"] == deployment.people["tom"].user_id
        assert made["course_id"] == deployment.course_id
        assert made["state"] == "open"
        place = f"{NOTES}/{made['id']}"
        assert tom.want(200, "GET", place) == made
        changed = tom.want(
            200, "PATCH", place, json={"text": "Late three times"}, headers={"If-Match": '"1"'}
        )
        assert (changed["text"], changed["version"]) == ("Late three times", 2)
        tom.want(412, "PATCH", place, json={"text": "Late"}, headers={"If-Match": '"1"'})
        tom.want(204, "DELETE", place)
        tom.want(404, "GET", place)

    def test_bad_input_is_refused_field_by_field(self, deployment: Deployment, tom: Api) -> None:
        member = deployment.people["ben"].member_id
        for body, field in (
            ({"course_member_id": member, "text": "   "}, "text"),
            ({"course_member_id": member, "text": "x", "author_id": NOBODY}, "author_id"),
            ({"text": "x"}, "course_member_id"),
        ):
            problem = tom.want(422, "POST", NOTES, json=body)
            assert [item["path"] for item in problem["fields"]] == [field]
        tom.want(404, "POST", NOTES, json={"course_member_id": NOBODY, "text": "x"})

    def test_a_list_is_filtered_and_sorted(self, deployment: Deployment, tom: Api, lena: Api) -> None:
        first = self.write(deployment, tom, "Needs a laptop")
        second = self.write(deployment, lena, "Needs another LAPTOP", about="ada")
        found = tom.all(NOTES, text="laptop", sort="created_at")
        assert [row["id"] for row in found] == [first["id"], second["id"]]
        about = {"course_member_id": deployment.people["ada"].member_id}
        assert [row["id"] for row in tom.all(NOTES, text="laptop", **about)] == [second["id"]]
        assert tom.all(NOTES, text="laptop", state="settled") == []
        assert [row["id"] for row in tom.all(NOTES, text="laptop", since=second["created_at"])] == [
            second["id"]
        ]
        tom.want(422, "GET", NOTES, params={"state": "lost"})
        tom.want(422, "GET", NOTES, params={"sort": "text"})

    @pytest.mark.parametrize("name", ["ada", "oskar"])
    def test_who_lacks_the_action_sees_nothing_and_changes_nothing(
        self, deployment: Deployment, host: str, http: httpx.Client, name: str
    ) -> None:
        api = deployment.as_person(host, http, name)
        place = f"{NOTES}/{deployment.note['id']}"
        assert api.all(NOTES) == []
        for path in (place, f"{NOTES}/{NOBODY}"):
            api.want(404, "GET", path)
            api.want(404, "PATCH", path, json={"text": "x"})
            api.want(404, "DELETE", path)
            api.want(404, "POST", f"{path}/settle", json={"remark": "x"})
        # Ada sees her own membership, so she is told that the action is refused on it.
        expected = 403 if name == "ada" else 404
        body = {"course_member_id": deployment.people["ada"].member_id, "text": "x"}
        api.want(expected, "POST", NOTES, json=body)
        api.want(expected, "GET", f"/x/notes/courses/{deployment.course_id}/summary")

    def test_nobody_at_all_is_asked_to_sign_in(
        self, deployment: Deployment, host: str, http: httpx.Client
    ) -> None:
        nobody = Api(host, http)
        for path in (NOTES, f"{NOTES}/{NOBODY}", f"/x/notes/courses/{deployment.course_id}/summary"):
            nobody.want(401, "GET", path)
        nobody.want(401, "POST", NOTES, json={})

    def test_its_own_role_reads_everywhere_and_writes_nowhere(
        self, deployment: Deployment, host: str, http: httpx.Client
    ) -> None:
        rita = deployment.as_person(host, http, "rita")
        place = f"{NOTES}/{deployment.note['id']}"
        assert rita.want(200, "GET", place)["text"] == TEXT
        assert deployment.note["id"] in {row["id"] for row in rita.all(NOTES)}
        rita.want(403, "PATCH", place, json={"text": "x"})
        rita.want(
            404, "POST", NOTES, json={"course_member_id": deployment.people["ada"].member_id, "text": "x"}
        )

    def test_a_colleagues_note_is_read_and_left_alone(
        self, deployment: Deployment, host: str, http: httpx.Client, lena: Api
    ) -> None:
        tina = deployment.as_person(host, http, "tina")
        place = f"{NOTES}/{deployment.note['id']}"
        tina.want(200, "GET", place)
        tina.want(403, "PATCH", place, json={"text": "x"})
        tina.want(403, "POST", f"{place}/settle", json={"remark": "x"})
        lena.want(200, "PATCH", place, json={"text": TEXT})

    def test_its_command_settles_a_note_once(self, deployment: Deployment, tom: Api) -> None:
        note = self.write(deployment, tom, "Missed the lab")
        place = f"{NOTES}/{note['id']}"
        # The plugin's own setting is true in this deployment; its default is false.
        refused = tom.want(422, "POST", f"{place}/settle", json={})
        assert [item["path"] for item in refused["fields"]] == ["remark"]
        done = tom.want(200, "POST", f"{place}/settle", json={"remark": "Was ill"})
        assert (done["note_id"], done["state"]) == (note["id"], "settled")
        after = tom.want(200, "GET", place)
        assert (after["state"], after["remark"], after["version"]) == ("settled", "Was ill", 2)
        assert after["settled_at"] == done["settled_at"]
        assert tom.want(409, "POST", f"{place}/settle", json={"remark": "x"})["code"] == "conflict"

    def test_every_change_is_in_the_audit_trail(self, deployment: Deployment, admin: Api, tom: Api) -> None:
        note = self.write(deployment, tom, "Talks a lot")
        place = f"{NOTES}/{note['id']}"
        tom.want(200, "PATCH", place, json={"text": "Talks"})
        tom.want(200, "POST", f"{place}/settle", json={"remark": "No more"})
        tom.want(204, "DELETE", place)
        told = admin.all("/audit-events", entity="x/notes/notes", row_id=note["id"])
        assert len(told) == 4
        assert {item["action"] for item in told} == {"notes:note.write"}
        assert {item["actor_id"] for item in told} == {deployment.people["tom"].user_id}
        assert {item["course_id"] for item in told} == {deployment.course_id}

    def test_its_own_route_counts(self, deployment: Deployment, tom: Api) -> None:
        path = f"/x/notes/courses/{deployment.course_id}/summary"
        before = tom.want(200, "GET", path)
        note = self.write(deployment, tom, "Forgot the badge")
        tom.want(200, "POST", f"{NOTES}/{note['id']}/settle", json={"remark": "Has it"})
        self.write(deployment, tom, "Forgot it again")
        after = tom.want(200, "GET", path)
        assert (after["open"], after["settled"]) == (before["open"] + 1, before["settled"] + 1)

    def test_its_cli_command_reads_beside_the_running_host(self, deployment: Deployment, host: str) -> None:
        run = deployment.environment.must
        assert "export  Write a course's notes as JSON" in run("computor", "x", "notes", "--help")
        written = run("computor", "x", "notes", "export", deployment.course_id)
        oldest = json.loads(written.splitlines()[0])
        assert (oldest["id"], oldest["text"]) == (deployment.note["id"], TEXT)

    def test_it_says_what_it_registers(self, environment: Environment) -> None:
        shown = json.loads(environment.must("computor", "plugins", "show", "notes", "--json"))
        assert (shown["state"], shown["distribution"], shown["problems"]) == ("active", "computor-notes", [])
        registered = shown["registrations"]
        assert registered["entities"] == [
            "x/notes/notes: create, delete, get, list, update; commands: settle"
        ]
        assert set(registered) == {
            "entities", "migrations", "actions", "roles", "access_rules", "routers", "commands",
        }  # fmt: skip

    def test_its_table_is_what_its_code_maps(self, deployment: Deployment) -> None:
        told = deployment.environment.must("computor", "db", "check", "--plugin", "notes", "--json")
        assert json.loads(told) == {"differences": {"notes": []}}


# --- removed again ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def removed(deployment: Deployment) -> Deployment:
    """The deployment with the plugin uninstalled, its tables and rows left behind."""
    deployment.environment.must("pip", "uninstall", "--yes", "computor-notes")
    assert not list(deployment.environment.site.glob("computor_notes*"))
    return deployment


@pytest.fixture(scope="module")
def first_start(removed: Deployment) -> subprocess.CompletedProcess[str]:
    """What a start says to settings that don't name the plugin, before anything was migrated."""
    return removed.environment.run("computor", "serve", "--port", "0", COMPUTOR_CONFIG="without.toml")


@pytest.fixture(scope="module")
def migrated(removed: Deployment, first_start: subprocess.CompletedProcess[str]) -> Deployment:
    """The deployment after an upgrade with settings that don't name the plugin."""
    removed.environment.must("computor", "db", "upgrade", COMPUTOR_CONFIG="without.toml")
    return removed


@pytest.fixture
def database(migrated: Deployment, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A copy of the database, with foreign keys enforced."""
    with (
        closing(sqlite3.connect(migrated.data / "computor.db")) as kept,
        closing(sqlite3.connect(tmp_path / "copy.db", isolation_level=None)) as copy,
    ):
        kept.backup(copy)
        copy.execute("PRAGMA foreign_keys = ON")
        yield copy


class TestRemoved:
    """What is left when it is gone."""

    def test_settings_that_still_name_it_stop_the_start(self, removed: Deployment) -> None:
        done = removed.environment.run("computor", "serve", "--port", "0")
        assert done.returncode == 78
        assert "notes: missing: it is enabled, and no distribution offers it" in done.stderr
        assert "take it out of plugins.enabled" in done.stderr
        assert "Traceback" not in done.stderr
        command = removed.environment.run("computor", "x", "notes", "export", NOBODY)
        assert command.returncode == 78
        assert "no distribution offers it" in command.stderr

    def test_a_role_that_it_left_behind_asks_for_an_upgrade(
        self, first_start: subprocess.CompletedProcess[str]
    ) -> None:
        """A role's actions are rows; as long as an absent plugin's are there, they'd still count."""
        assert first_start.returncode == 78
        assert (
            "the roles in the database aren't those of the installed code and plugins" in first_start.stderr
        )
        assert "run computor db upgrade" in first_start.stderr

    def test_core_migrates_with_the_table_still_there(self, migrated: Deployment) -> None:
        environment = migrated.environment
        told = environment.must("computor", "db", "current", "--json", COMPUTOR_CONFIG="without.toml")
        assert [(item["lineage"], item["pending"]) for item in json.loads(told)["lineages"]] == [
            ("core", []),
            ("auth_local", []),
        ]
        differences = environment.must("computor", "db", "check", "--json", COMPUTOR_CONFIG="without.toml")
        assert not any(json.loads(differences)["differences"].values())
        assert rows(migrated.data / "computor.db", "SELECT count(*) FROM notes_note")[0][0] > 0

    def test_the_host_works_without_it(self, migrated: Deployment, http: httpx.Client) -> None:
        with migrated.environment.serving(COMPUTOR_CONFIG="without.toml") as base:
            admin = migrated.admin(base, http)
            admin.want(404, "GET", NOTES)
            assert not [
                path for path in http.get(f"{base}/api/v1/openapi.json").json()["paths"] if "/x/" in path
            ]
            assert len(admin.all("/course-members")) == 5
            # Who holds its role still signs in; the role contains nothing any more.
            rita = migrated.as_person(base, http, "rita")
            assert rita.all("/courses") == []
            told = admin.all("/audit-events", entity="x/notes/notes", row_id=migrated.note["id"])
            assert told[0]["action"] == "notes:note.write"
            # A user whom notes refer to can be archived, and a member on whom there is one removed.
            admin.want(200, "POST", f"/users/{migrated.people['tina'].user_id}/archive")
            made = admin.create(
                "/course-members",
                course_id=migrated.course_id,
                user_id=migrated.people["oskar"].user_id,
                role_id="course:_student",
            )
            admin.want(204, "DELETE", f"/course-members/{made['id']}")

    def test_a_later_core_rebuilds_the_tables_that_notes_refer_to(
        self, migrated: Deployment, tmp_path: Path
    ) -> None:
        """SQLite rebuilds a table to change it; the rows of the plugin must live through that."""
        environment = migrated.environment
        data = tmp_path / "var"
        shutil.copytree(migrated.data, data)
        before = rows(data / "computor.db", "SELECT * FROM notes_note ORDER BY id")
        head = rows(data / "computor.db", "SELECT version_num FROM alembic_version")[0][0]
        later = environment.site / "computor_core/migrations/versions/later.py"
        later.write_text(LATER_REVISION.format(head=head))
        try:
            told = environment.must(
                "computor", "db", "upgrade", COMPUTOR_CONFIG="without.toml", COMPUTOR_DATA_DIR=str(data)
            )
        finally:
            later.unlink()
        assert "core: applied later" in told
        assert before
        assert rows(data / "computor.db", "SELECT * FROM notes_note ORDER BY id") == before
        assert rows(data / "computor.db", "PRAGMA foreign_key_check") == []
        with closing(sqlite3.connect(data / "computor.db", isolation_level=None)) as connection:
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("DELETE FROM user WHERE id = ?", (key(migrated.people["tom"].user_id),))
            kept = connection.execute(
                "SELECT author_id FROM notes_note WHERE id = ?", (key(migrated.note["id"]),)
            ).fetchall()
        assert kept == [(None,)]

    def test_a_user_who_wrote_notes_can_be_deleted(
        self, migrated: Deployment, database: sqlite3.Connection
    ) -> None:
        tom = key(migrated.people["tom"].user_id)
        find = "SELECT author_id, created_by, text FROM notes_note WHERE id = ?"
        note = (key(migrated.note["id"]),)
        assert database.execute(find, note).fetchone() == (tom, tom, TEXT)
        assert database.execute("DELETE FROM user WHERE id = ?", (tom,)).rowcount == 1
        assert database.execute(find, note).fetchone() == (None, None, TEXT)
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []

    def test_notes_go_with_the_user_they_are_about(
        self, migrated: Deployment, database: sqlite3.Connection
    ) -> None:
        about = "SELECT count(*) FROM notes_note WHERE course_member_id = ?"
        member = (key(migrated.people["ada"].member_id),)
        assert database.execute(about, member).fetchone()[0] > 0
        ada = (key(migrated.people["ada"].user_id),)
        assert database.execute("DELETE FROM user WHERE id = ?", ada).rowcount == 1
        assert database.execute(about, member).fetchone() == (0,)
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []

    def test_notes_go_with_their_course(self, migrated: Deployment, database: sqlite3.Connection) -> None:
        course = (key(migrated.course_id),)
        assert database.execute("DELETE FROM course WHERE id = ?", course).rowcount == 1
        assert database.execute("SELECT count(*) FROM notes_note").fetchone() == (0,)
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []


LATER_REVISION = '''
"""What a later core may do to tables that plugins refer to."""

import sqlalchemy as sa
from alembic import op

revision = "later"
down_revision = "{head}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("user", "course_member"):
        with op.batch_alter_table(table, recreate="always") as batch:
            batch.add_column(sa.Column("later", sa.String(8), nullable=True))


def downgrade() -> None:
    for table in ("user", "course_member"):
        with op.batch_alter_table(table) as batch:
            batch.drop_column("later")
'''
