"""The transaction of a unit of work is the unit's own: nobody else ends it.

What shares a unit (an event handler, a behavior, a command) adds rows and may open savepoints. A
commit in between would tear the unit apart: rows without their events, audit or signals. Session
and connection refuse such calls and stay usable. Who goes around them, by ``run_sync`` or the
transaction object, meets the listener at the engine: it gives the connection up, so that nothing
of the unit is kept.
"""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import Session, SessionTransaction

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection
    from sqlalchemy.ext.asyncio import AsyncSession, AsyncTransaction

__all__ = [
    "GuardedConnection",
    "GuardedSession",
    "TransactionControlError",
    "TransactionGuard",
    "guarded_connection",
    "refuse_early_commit",
]

_OPTION = "computor_transaction_guard"


class TransactionControlError(RuntimeError):
    """Code inside a unit of work tried to end or begin the unit's transaction; a programming error."""


class TransactionGuard:
    """Refuses control of a transaction while its block is open.

    Attributes:
        transaction: The transaction of the unit's session, once it has begun.
    """

    def __init__(self) -> None:
        self.transaction: SessionTransaction | None = None
        self._is_closed = False

    def __enter__(self) -> Self:
        self._is_closed = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_closed = False

    def require_open(self, call: str) -> None:
        """Raise unless the unit itself is about to end its transaction.

        Args:
            call: What was called, for the message.

        Raises:
            TransactionControlError: The unit is still in use.
        """
        if self._is_closed:
            raise TransactionControlError(
                f"{call} isn't allowed inside a unit of work: it commits when its block ends and rolls "
                "back when an exception leaves it; raise an error to undo everything, and use "
                "begin_nested() for a part that may fail alone"
            )


class GuardedSession(Session):
    """A session that leaves its transaction to the unit of work; savepoints are free.

    Args:
        guard: Decides whether the transaction may be ended.
        arguments: See :class:`sqlalchemy.orm.Session`.
    """

    def __init__(self, *arguments: Any, guard: TransactionGuard, **named: Any) -> None:  # noqa: ANN401 - the base's
        super().__init__(*arguments, **named)
        self._guard = guard

    def begin(self, nested: bool = False) -> SessionTransaction:
        """Open a savepoint; never a transaction."""
        if not nested:
            self._guard.require_open("session.begin()")
        return super().begin(nested)

    def commit(self) -> None:
        """The unit's alone, and of the transaction it has begun."""
        self._guard.require_open("session.commit()")
        if self.get_transaction() is not self._guard.transaction:
            raise TransactionControlError(
                "the transaction of a unit of work was ended inside it; nothing of the unit is kept"
            )
        super().commit()

    def prepare(self) -> None:
        """The unit's alone."""
        self._guard.require_open("session.prepare()")
        super().prepare()

    def rollback(self) -> None:
        """The unit's alone."""
        self._guard.require_open("session.rollback()")
        super().rollback()

    def close(self) -> None:
        """The unit's alone."""
        self._guard.require_open("session.close()")
        super().close()

    def reset(self) -> None:
        """The unit's alone."""
        self._guard.require_open("session.reset()")
        super().reset()

    def invalidate(self) -> None:
        """The unit's alone."""
        self._guard.require_open("session.invalidate()")
        super().invalidate()


class GuardedConnection(AsyncConnection):
    """A connection that leaves its transaction to the unit of work; savepoints are free.

    Args:
        connection: The connection of the unit's session.
        guard: Decides whether the transaction may be ended.
    """

    def __init__(self, connection: AsyncConnection, guard: TransactionGuard) -> None:
        super().__init__(connection.engine, connection.sync_connection)
        self._guard = guard

    def begin(self) -> AsyncTransaction:
        """The unit's alone."""
        self._guard.require_open("connection.begin()")
        return super().begin()

    async def commit(self) -> None:
        """The unit's alone."""
        self._guard.require_open("connection.commit()")
        await super().commit()

    async def rollback(self) -> None:
        """The unit's alone."""
        self._guard.require_open("connection.rollback()")
        await super().rollback()

    async def close(self) -> None:
        """The unit's alone."""
        self._guard.require_open("connection.close()")
        await super().close()

    async def invalidate(self, exception: BaseException | None = None) -> None:
        """The unit's alone."""
        self._guard.require_open("connection.invalidate()")
        await super().invalidate(exception)


async def guarded_connection(session: AsyncSession, guard: TransactionGuard) -> GuardedConnection:
    """The connection of a session, with its transaction begun and under guard."""
    connection = await session.connection(execution_options={_OPTION: guard})
    guard.transaction = session.sync_session.get_transaction()
    return GuardedConnection(connection, guard)


def refuse_early_commit(connection: Connection) -> None:
    """Listener to an engine's ``commit`` event: the last guard before the database.

    Raises:
        TransactionControlError: The connection is a unit's that is still in use; it is given up.
    """
    guard = connection.get_execution_options().get(_OPTION)
    if guard is None:
        return
    try:
        guard.require_open("a commit")
    except TransactionControlError:
        # SQLAlchemy takes a transaction whose commit failed for ended and wouldn't roll it back.
        connection.invalidate()
        raise
