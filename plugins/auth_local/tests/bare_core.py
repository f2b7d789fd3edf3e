"""A core of a database and nothing else, for tests of the provider alone."""

import logging
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from uuid import UUID

from computor_auth_local.plugin import Plugin
from computor_auth_local.provider import LocalAuth
from computor_auth_local.settings import AuthLocalSettings

from computor_core.db.engine import Database
from computor_core.db.unit_of_work import (
    ReadUnit,
    UnitHooks,
    UnitOfWork,
    WorkflowTarget,
    open_read,
    open_write,
)
from computor_core.migrations import runner
from computor_core.model import User
from computor_core.plugin_api.emails import email_key
from computor_core.plugin_api.events import Event
from computor_core.plugin_api.principal import Principal
from computor_core.plugin_api.providers.auth import SetPassword
from computor_core.plugin_api.providers.base import AppContext
from computor_core.plugin_api.providers.git import PushReceiver
from computor_core.plugins.registries import Registered, Registries
from computor_core.testing.auth import AuthAccounts

FAST = AuthLocalSettings(time_cost=1, memory_kib=64, parallelism=1)
"""Hash parameters that are quick enough for hundreds of sign-ins, and good for nothing else."""


@dataclass
class SteppingClock:
    time: datetime = field(default_factory=lambda: datetime(2026, 3, 1, 8, tzinfo=UTC))

    def now(self) -> datetime:
        return self.time


async def _no_interceptor(event: Event, work: UnitOfWork) -> None:
    return None


def _no_workflow(name: str) -> WorkflowTarget:
    raise AssertionError(f"sign-in starts no workflow, least of all {name}")


class Core:
    """The doors into a core that has a database and nothing else."""

    def __init__(self, database: Database, clock: SteppingClock) -> None:
        self.database = database
        self.clock = clock
        self._hooks = UnitHooks(_no_interceptor, lambda _: None, _no_workflow)

    @property
    def pushes(self) -> PushReceiver:
        raise AssertionError("sign-in knows no pushes")

    async def authenticate(self, token: str) -> Principal:
        raise AssertionError("a provider doesn't resolve tokens")

    def uow(self, principal: Principal) -> AbstractAsyncContextManager[UnitOfWork]:
        return open_write(self.database, principal, self._hooks, now=self.clock.now(), request_id="")

    def read(self, principal: Principal) -> AbstractAsyncContextManager[ReadUnit]:
        return open_read(self.database, principal, now=self.clock.now(), request_id="")


class LocalAccounts(AuthAccounts):
    """Users in the core's table, passwords in the plugin's."""

    def __init__(self, core: Core, provider: LocalAuth) -> None:
        self.core = core
        self.provider = self.local = provider

    async def add(self, login: str, password: str | None = None) -> UUID:
        user = User(email=login, email_key=email_key(login), given_name="Ada", family_name="Lovelace")
        async with self.core.uow(Principal.system("test")) as work:
            work.session.add(user)
        if password is not None:
            await self.provider.set_password(SetPassword(user.id, password))
        return user.id

    async def archive(self, user_id: UUID) -> None:
        await self._change(user_id, "archived_at")

    async def ban(self, user_id: UUID) -> None:
        await self._change(user_id, "banned_at")

    def advance(self, seconds: float) -> None:
        self.core.clock.time += timedelta(seconds=seconds)

    async def _change(self, user_id: UUID, column: str) -> None:
        async with self.core.uow(Principal.system("test")) as work:
            user = await work.session.get_one(User, user_id)
            setattr(user, column, work.now)


def migrations() -> Registries:
    (registration,) = Plugin().computor_migrations()
    registered = Registered("auth_local", "computor-auth-local", registration)
    return Registries(migrations=MappingProxyType({"auth_local": registered}))


@asynccontextmanager
async def migrated_core(url: str) -> AsyncIterator[Core]:
    database = Database(url)
    try:
        await runner.upgrade(database, migrations())
        yield Core(database, SteppingClock())
    finally:
        await database.aclose()


def context_for(core: Core, folder: Path) -> AppContext:
    return AppContext(
        instance="default",
        plugin="auth_local",
        data_dir=folder,
        public_url="",
        clock=core.clock,
        log=logging.getLogger("test.auth_local"),
        services=core,
    )
