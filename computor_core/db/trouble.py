"""Telling an operator what is wrong with the database, in one clear error."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from computor_core.errors import ConfigurationError

if TYPE_CHECKING:
    from computor_core.db.engine import Database

_HINTS = {
    "away": "check database.url, that the server runs, and the rights of its user",
    "busy": "another program works on the file: wait for it, or end it",
    "files": "check that the file and its folder can be read and written",
    "damaged": "this file is damaged or something else: name another, or restore a backup",
    "full": "make room on the disk",
    "tables": "the tables aren't those that the migrations left: compare with computor db check, or restore "
    "a backup",
}

_SQLITE = {
    "SQLITE_BUSY": "busy",
    "SQLITE_LOCKED": "busy",
    "SQLITE_CORRUPT": "damaged",
    "SQLITE_NOTADB": "damaged",
    "SQLITE_FULL": "full",
    "SQLITE_ERROR": "tables",
}
"""Kind by the first two words of the result code (https://sqlite.org/rescode.html)."""

_INSUFFICIENT_PRIVILEGE = "42501"


class DatabaseUnusableError(ConfigurationError):
    """The database can't be reached or written, refuses the credentials or has other tables."""

    code = "database_unusable"
    internal_code = 50050


@contextmanager
def explained(database: Database) -> Iterator[None]:
    """Turn what the driver says at start-up or in an operator's command into one clear error.

    Files of a SQLite database that can't be written are refused before the first connection: it
    would make journals with the database's own rights, which then stay in the way.

    Requests don't use it: there an unexpected database error is a bug or an outage, not a setting.

    Raises:
        DatabaseUnusableError: The driver or the network failed in the block, or the files of the
            database can't be written.
    """
    require_writable(database)
    try:
        yield
    except (OSError, SQLAlchemyError) as error:
        cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
        said = (str(cause).strip() or type(cause).__name__).splitlines()[0]
        raise DatabaseUnusableError(
            f"the database {database.safe_url} can't be used: {said}", hint=_HINTS[_kind(database, cause)]
        ) from error


def require_writable(database: Database) -> None:
    """Refuse a SQLite database with files that this process can't write.

    Those that aren't there yet are fine.

    Raises:
        DatabaseUnusableError: Names them.
    """
    if not database.is_sqlite:
        return
    file = Path(str(database.url.database))
    if file.parent.exists() and not file.parent.is_dir():
        raise DatabaseUnusableError(
            f"{file.parent} is a file, and the database should be in it",
            hint="data_dir names the folder for everything, database.url the database",
        )
    journals = (file.with_name(f"{file.name}-wal"), file.with_name(f"{file.name}-shm"))
    needed = {file.parent: os.W_OK | os.X_OK, **dict.fromkeys((file, *journals), os.R_OK | os.W_OK)}
    refused = [str(path) for path, rights in needed.items() if path.exists() and not os.access(path, rights)]
    if refused:
        raise DatabaseUnusableError(
            f"the database can't be written: user {os.geteuid()} lacks rights on {', '.join(refused)}",
            hint=f"give the user read and write rights on {', '.join(refused)}; remove none of them",
            details={"paths": refused},
        )


def _kind(database: Database, cause: BaseException) -> str:
    """What sort of trouble it is, as far as the driver tells."""
    if database.is_sqlite:
        name = str(getattr(cause, "sqlite_errorname", ""))
        return _SQLITE.get("_".join(name.split("_")[:2]), "files")
    # Class 42 of SQLSTATE: a statement and the schema don't fit (PostgreSQL, appendix A).
    state = str(getattr(cause, "sqlstate", None) or "")
    return "tables" if state.startswith("42") and state != _INSUFFICIENT_PRIVILEGE else "away"
