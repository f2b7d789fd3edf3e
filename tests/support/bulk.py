"""Two million artifacts in seconds: rows made by the database itself, in one statement per table."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text

from computor_core.db.engine import Database

COURSES, STUDENTS, ASSIGNMENTS = 40, 500, 10
"""Of courses, students in each, and assignments of each: one group per student and assignment."""

GROUPS = COURSES * STUDENTS * ASSIGNMENTS
_BASE = {
    name: number << 40
    for number, name in enumerate(
        (
            "user",
            "organization",
            "family",
            "course",
            "type",
            "content",
            "member",
            "group",
            "group_member",
            "artifact",
        ),
        start=1,
    )
}
_COMMON = "version,created_at,updated_at,properties"


def row_id(kind: str, number: int) -> UUID:
    """The id of the n-th row of a kind."""
    return UUID(int=_BASE[kind] + number)


@dataclass(frozen=True)
class Dialect:
    """How a system writes what the statements need."""

    sqlite: bool

    def id(self, kind: str, number: str) -> str:
        value = f"{_BASE[kind]}+{number}"
        return f"printf('%032x',{value})" if self.sqlite else f"lpad(to_hex({value}),32,'0')::uuid"

    def numbers(self, count: int) -> str:
        if self.sqlite:
            step = f"SELECT 0 UNION ALL SELECT n+1 FROM s WHERE n<{count - 1}"
            return f"(WITH RECURSIVE s(n) AS ({step}) SELECT n FROM s) s"
        return f"(SELECT generate_series(0,{count - 1})::bigint AS n) s"

    @property
    def now(self) -> str:
        return "'2026-01-01 00:00:00.000000'" if self.sqlite else "'2026-01-01'::timestamptz"

    @property
    def common(self) -> str:
        return f"1,{self.now},{self.now}," + ("'{}'" if self.sqlite else "'{}'::jsonb")

    def flag(self, value: bool) -> str:
        return str(int(value)) if self.sqlite else str(value).lower()


def _people_and_places(d: Dialect) -> Iterator[str]:
    students = COURSES * STUDENTS
    # Behind the students come the lecturers, each of two courses.
    yield (
        f'INSERT INTO "user"(id,given_name,family_name,is_service,grants_epoch,{_COMMON}) '
        f"SELECT {d.id('user', 'n')},'g','f',{d.flag(False)},1,{d.common} "
        f"FROM {d.numbers(students + COURSES // 2 + 1)}"
    )
    yield (
        f"INSERT INTO organization(id,path,title,description,timezone,{_COMMON}) "
        f"VALUES ({d.id('organization', '0')},'o','o','','UTC',{d.common})"
    )
    yield (
        f"INSERT INTO course_family(id,organization_id,slug,title,description,{_COMMON}) "
        f"VALUES ({d.id('family', '0')},{d.id('organization', '0')},'f','f','',{d.common})"
    )
    yield (
        "INSERT INTO course(id,organization_id,course_family_id,slug,title,description,timezone,language,"
        f"{_COMMON}) SELECT {d.id('course', 'n')},{d.id('organization', '0')},{d.id('family', '0')},"
        f"'c'||n,'c','','UTC','en',{d.common} FROM {d.numbers(COURSES)}"
    )
    columns = f"course_member(id,course_id,user_id,role_id,source,{_COMMON})"
    yield (
        f"INSERT INTO {columns} SELECT {d.id('member', 'n')},{d.id('course', f'n/{STUDENTS}')},"
        f"{d.id('user', 'n')},'course:_student','manual',{d.common} FROM {d.numbers(students)}"
    )
    yield (
        f"INSERT INTO {columns} SELECT {d.id('member', f'{students}+n')},{d.id('course', 'n')},"
        f"{d.id('user', f'{students}+n/2')},'course:_lecturer','manual',{d.common} FROM {d.numbers(COURSES)}"
    )
    yield (
        f"INSERT INTO user_role(id,user_id,role_id,source,{_COMMON}) VALUES ({d.id('user', '0')},"
        f"{d.id('user', str(students + COURSES // 2))},'_admin','manual',{d.common})"
    )


def _work(d: Dialect, artifacts: int) -> Iterator[str]:
    yield (
        f"INSERT INTO course_content_type(id,course_id,kind_id,slug,title,color,{_COMMON}) "
        f"SELECT {d.id('type', 'n')},{d.id('course', 'n')},'assignment','t','t','',{d.common} "
        f"FROM {d.numbers(COURSES)}"
    )
    yield (
        "INSERT INTO course_content(id,course_id,content_type_id,kind_id,path,parent_key,position,title,"
        f"description,{_COMMON}) SELECT {d.id('content', 'n')},{d.id('course', f'n/{ASSIGNMENTS}')},"
        f"{d.id('type', f'n/{ASSIGNMENTS}')},'assignment','p'||n,'','a'||n,'t','',{d.common} "
        f"FROM {d.numbers(COURSES * ASSIGNMENTS)}"
    )
    student = f"(n/{ASSIGNMENTS})"
    course = f"({student}/{STUDENTS})"
    content = f"({course}*{ASSIGNMENTS}+n%{ASSIGNMENTS})"
    yield (
        f"INSERT INTO submission_group(id,course_id,course_content_id,attempts_used,{_COMMON}) "
        f"SELECT {d.id('group', 'n')},{d.id('course', course)},{d.id('content', content)},0,{d.common} "
        f"FROM {d.numbers(GROUPS)}"
    )
    yield (
        "INSERT INTO submission_group_member(id,course_id,course_content_id,submission_group_id,"
        f"course_member_id,user_id,{_COMMON}) SELECT {d.id('group_member', 'n')},{d.id('course', course)},"
        f"{d.id('content', content)},{d.id('group', 'n')},{d.id('member', student)},{d.id('user', student)},"
        f"{d.common} FROM {d.numbers(GROUPS)}"
    )
    group = f"(n%{GROUPS})"
    student = f"({group}/{ASSIGNMENTS})"
    course = f"({student}/{STUDENTS})"
    files = "'[]'" if d.sqlite else "'[]'::jsonb"
    yield (
        "INSERT INTO artifact(id,course_id,submission_group_id,course_member_id,transport,official,"
        f"tree_hash,size,storage_instance,files,received_at,{_COMMON}) SELECT {d.id('artifact', 'n')},"
        f"{d.id('course', course)},{d.id('group', group)},{d.id('member', student)},'upload',{d.flag(True)},"
        f"'x',1,'d',{files},{d.now},{d.common} FROM {d.numbers(artifacts)}"
    )


_WITHOUT_FOREIGN_KEYS = """
DO $$ DECLARE r record; BEGIN
  FOR r IN SELECT conrelid::regclass AS t, conname FROM pg_constraint WHERE contype = 'f' LOOP
    EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', r.t, r.conname);
  END LOOP;
END $$
"""


async def fill(database: Database, artifacts: int) -> None:
    """Fill a database that has core's tables and roles; the engine's connections are closed."""
    dialect = Dialect(database.is_sqlite)
    statements = [*_people_and_places(dialect), *_work(dialect, artifacts)]
    if database.is_sqlite:
        await database.aclose()
        _fill_sqlite(str(database.url.database), statements)
        return
    async with database.writer.begin() as connection:
        await connection.execute(text("SET LOCAL statement_timeout = 0"))
        # What is checked here is the plans of reads; the indexes stay.
        await connection.exec_driver_sql(_WITHOUT_FOREIGN_KEYS)
        for statement in statements:
            await connection.exec_driver_sql(statement)
    async with database.reader.connect() as connection:
        await connection.exec_driver_sql("ANALYZE")


def _fill_sqlite(path: str, statements: list[str]) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    # The file is thrown away: no journal and no flushing.
    for pragma in ("foreign_keys=OFF", "synchronous=OFF", "journal_mode=OFF", "cache_size=-200000"):
        connection.execute(f"PRAGMA {pragma}")
    indexes = connection.execute(
        "SELECT name, sql FROM sqlite_master"
        " WHERE type = 'index' AND tbl_name = 'artifact' AND sql IS NOT NULL"
    ).fetchall()
    connection.execute("BEGIN")
    for name, _ in indexes:
        connection.execute(f'DROP INDEX "{name}"')
    for statement in statements:
        connection.execute(statement)
    # Made afterwards, each by one sort instead of two million insertions at random places.
    for _, definition in indexes:
        connection.execute(definition)
    connection.execute("COMMIT")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.close()
