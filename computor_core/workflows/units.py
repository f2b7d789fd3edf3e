"""What durable work needs of the application: places to read and write."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Protocol

from computor_core.plugin_api.principal import Principal

if TYPE_CHECKING:
    from computor_core.db.unit_of_work import ReadUnit, UnitOfWork

__all__ = ["SYSTEM", "Units"]

SYSTEM = Principal.system("workflows")
"""Who writes the journal, the leases and the cursors."""


class Units(Protocol):
    """Opens units of work; :class:`~computor_core.plugin_api.services.CoreServices` is one."""

    def uow(self, principal: Principal) -> AbstractAsyncContextManager[UnitOfWork]:
        """A write unit of work; commits when the block ends without an exception."""
        ...

    def read(self, principal: Principal) -> AbstractAsyncContextManager[ReadUnit]:
        """A read unit."""
        ...
