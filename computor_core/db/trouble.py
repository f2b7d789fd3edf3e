"""Telling an operator what is wrong with the database, in one clear error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from computor_core.errors import ConfigurationError

if TYPE_CHECKING:
    from computor_core.db.engine import Database


class DatabaseUnusableError(ConfigurationError):
    """The database can't be reached, refuses the credentials or lacks a right."""

    code = "database_unusable"
    internal_code = 50050


@contextmanager
def explained(database: Database) -> Iterator[None]:
    """Turn what the driver says at start-up or in an operator's command into one clear error.

    Requests don't use it: there an unexpected database error is a bug or an outage, not a setting.

    Raises:
        DatabaseUnusableError: The driver or the network failed in the block.
    """
    try:
        yield
    except (OSError, SQLAlchemyError) as error:
        cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
        said = (str(cause).strip() or type(cause).__name__).splitlines()[0]
        raise DatabaseUnusableError(
            f"the database {database.safe_url} can't be used: {said}",
            hint="check database.url, that the server runs, and the rights of its user"
            if not database.is_sqlite
            else "check that the file and its folder can be read and written",
        ) from error
