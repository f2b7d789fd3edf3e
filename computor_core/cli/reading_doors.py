"""Doors for providers that are examined without the application: they may read, nothing else."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

from computor_core.db.trouble import require_writable
from computor_core.db.unit_of_work import open_read
from computor_core.errors import UnavailableError

if TYPE_CHECKING:
    from computor_core.db.engine import Database
    from computor_core.db.unit_of_work import ReadUnit, UnitOfWork
    from computor_core.plugin_api.principal import Principal
    from computor_core.plugin_api.providers.base import Provider
    from computor_core.plugin_api.providers.git import PushReceiver

P = TypeVar("P", bound="Provider")


class ReadingDoors:
    """:class:`~computor_core.plugin_api.services.CoreServices` over a database alone.

    Args:
        database: What is read.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def pushes(self) -> PushReceiver:
        """Nobody pushes to what is only examined."""
        _refuse()

    def provider(self, contract: type[P], instance: str | None = None) -> P:
        """Every instance is examined alone."""
        _refuse()

    async def authenticate(self, token: str) -> Principal:
        """Nobody signs in to what is only examined."""
        _refuse()

    def uow(self, principal: Principal) -> AbstractAsyncContextManager[UnitOfWork]:
        """An examination writes nothing."""
        _refuse()

    def read(self, principal: Principal) -> AbstractAsyncContextManager[ReadUnit]:
        """A read unit."""
        if self._database.is_sqlite and not Path(str(self._database.url.database)).exists():
            raise UnavailableError("there is no database yet")  # connecting would make an empty file
        require_writable(self._database)  # else journals with its rights would be left
        return open_read(self._database, principal, now=datetime.now(UTC), request_id="doctor")


def _refuse() -> NoReturn:
    raise UnavailableError("the application isn't running; this is an examination")
