"""Broken constraints become errors that name fields and never SQL, on either driver."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import IntegrityError

from computor_core.db.violations import RowConflictError, translate
from computor_core.errors import ComputorError, InvalidError
from computor_core.model import AssignmentSchedule, Course, User

COURSE, SCHEDULE, USER = Course.__table__, AssignmentSchedule.__table__, User.__table__
KNOWN = {"slug", "title", "course_family_id", "email", "releases_at", "due_at", "max_attempts"}


class SqliteError(Exception):
    """What aiosqlite raises."""


class PostgresError(Exception):
    """What asyncpg raises: the rule by name."""

    def __init__(self, sqlstate: str, constraint: str | None = None, column: str | None = None) -> None:
        super().__init__("duplicate key value violates unique constraint: Key (slug)=(x) already exists")
        self.sqlstate, self.constraint_name, self.column_name = sqlstate, constraint, column


class WrappedError(Exception):
    """SQLAlchemy's own error around asyncpg's: it has the state alone."""

    def __init__(self, cause: PostgresError) -> None:
        super().__init__(str(cause))
        self.sqlstate = cause.sqlstate
        self.__cause__ = cause


def sqlite(message: str) -> IntegrityError:
    return IntegrityError("INSERT …", {}, SqliteError(message))


def postgres(sqlstate: str, constraint: str | None = None, column: str | None = None) -> IntegrityError:
    return IntegrityError("INSERT …", {}, WrappedError(PostgresError(sqlstate, constraint, column)))


@pytest.mark.parametrize(
    ("error", "table", "kind", "fields"),
    [
        (
            sqlite("UNIQUE constraint failed: course.course_family_id, course.slug"),
            COURSE,
            RowConflictError,
            ["slug"],
        ),
        (postgres("23505", "uq_course__course_family_id_slug"), COURSE, RowConflictError, ["slug"]),
        (sqlite("UNIQUE constraint failed: index 'uq_user__email_key'"), USER, RowConflictError, []),
        (postgres("23505", "uq_user__email_key"), USER, RowConflictError, []),
        (postgres("23505", "pk_course"), COURSE, RowConflictError, []),
        (sqlite("FOREIGN KEY constraint failed"), COURSE, RowConflictError, []),
        (
            postgres("23503", "fk_course__organization_id_course_family_id"),
            COURSE,
            RowConflictError,
            ["course_family_id"],
        ),
        (
            sqlite("CHECK constraint failed: ck_assignment_schedule__release_due"),
            SCHEDULE,
            InvalidError,
            ["releases_at", "due_at"],
        ),
        (
            postgres("23514", "ck_assignment_schedule__release_due"),
            SCHEDULE,
            InvalidError,
            ["releases_at", "due_at"],
        ),
        (sqlite("NOT NULL constraint failed: course.title"), COURSE, InvalidError, ["title"]),
        (postgres("23502", None, "title"), COURSE, InvalidError, ["title"]),
        (sqlite("something new"), COURSE, RowConflictError, []),
        (postgres("23P01", "excl_course"), COURSE, RowConflictError, []),
    ],
)
def test_every_kind_of_rule(
    error: IntegrityError, table: object, kind: type[ComputorError], fields: list[str]
) -> None:
    found = translate(error, table, KNOWN)  # type: ignore[arg-type]
    assert type(found) is kind
    assert [field.path for field in found.fields] == fields
    for word in ("constraint", "uq_", "fk_", "pk_", "INSERT", "Key ("):
        assert word not in str(found)


def test_the_scope_is_named_only_when_nothing_else_can_be_changed() -> None:
    found = translate(sqlite("UNIQUE constraint failed: course.course_family_id"), COURSE, KNOWN)  # type: ignore[arg-type]
    assert [field.path for field in found.fields] == ["course_family_id"]


def test_fields_that_callers_dont_know_arent_named() -> None:
    found = translate(sqlite("UNIQUE constraint failed: user.email_key"), USER, KNOWN)  # type: ignore[arg-type]
    assert found.fields == ()


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (sqlite("UNIQUE constraint failed: course.course_family_id, course.slug"), RowConflictError),
        (postgres("23505", "uq_course__course_family_id_slug"), RowConflictError),
        (sqlite("FOREIGN KEY constraint failed"), RowConflictError),
        (postgres("23503", "fk_course__organization_id_course_family_id"), RowConflictError),
        (sqlite("CHECK constraint failed: ck_assignment_schedule__release_due"), InvalidError),
        (postgres("23514", "ck_assignment_schedule__release_due"), InvalidError),
        (sqlite("NOT NULL constraint failed: course.title"), InvalidError),
        (postgres("23502", None, "title"), InvalidError),
    ],
)
def test_nothing_is_named_where_nobody_says_what_the_caller_knows(
    error: IntegrityError, kind: type[ComputorError]
) -> None:
    found = translate(error)
    assert type(found) is kind
    assert found.fields == ()
    for word in (
        "constraint",
        "uq_",
        "fk_",
        "ck_",
        "release_due",
        "course",
        "slug",
        "title",
        "INSERT",
        "Key",
    ):
        assert word not in str(found)
