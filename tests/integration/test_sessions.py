"""Sessions and API tokens: who is let in, how long, and that "revoked" means at the next request."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event, select, update

from computor_core.access.errors import StalePrincipalError
from computor_core.cache.memory import MemoryCache
from computor_core.catalogue import actions, roles
from computor_core.db.engine import Database
from computor_core.db.unit_of_work import (
    ReadUnit,
    UnitHooks,
    UnitOfWork,
    WorkflowTarget,
    open_read,
    open_write,
)
from computor_core.entities.assembly import assemble
from computor_core.errors import (
    AuthenticationError,
    CapabilityNotSupportedError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    TooManyRequestsError,
)
from computor_core.migrations import runner
from computor_core.model import Account, ApiToken, AuditEvent, AuditValue, EventLog, Session, User, UserRole
from computor_core.plugin_api.emails import email_key
from computor_core.plugin_api.events import Event
from computor_core.plugin_api.principal import Principal
from computor_core.plugin_api.providers.auth import AuthProvider, Identity, PasswordSignIn, SetPassword
from computor_core.plugin_api.providers.base import Health, HealthState
from computor_core.plugins.providers import Providers
from computor_core.plugins.registries import Registered, Registries
from computor_core.services.sessions import Device, IssuedSession, SessionPolicy, SessionService
from computor_core.services.sessions.tokens import csrf_token, is_token, token_hash
from computor_core.testing.auth_memory import MemoryAccount, MemoryAuth

T0 = datetime(2026, 3, 1, 8, tzinfo=UTC)
LOGIN, GOOD = "ada@example.org", "nine elephants, no umbrella"
POLICY = SessionPolicy(
    idle=timedelta(days=7), absolute=timedelta(days=30), touch=timedelta(minutes=5), cached_principals=3
)


@dataclass
class Clock:
    time: datetime = T0

    def now(self) -> datetime:
        return self.time


class Redirecting(AuthProvider):
    """A provider that takes no passwords."""

    async def health(self) -> Health:
        return Health(HealthState.OK)


class Elsewhere(AuthProvider):
    """A provider whose accounts are elsewhere; the name is ``<subject>[ <address>[ verified]]``."""

    async def sign_in(self, request: PasswordSignIn) -> Identity:
        subject, email, verified, *_ = *request.login.split(), None, None
        return Identity(subject=subject, email=email, email_verified=bool(verified))


@dataclass
class App:
    """As much of an application as sessions need."""

    database: Database
    clock: Clock
    auth: MemoryAuth
    policy: SessionPolicy = POLICY
    cache: MemoryCache = field(default_factory=MemoryCache)

    def __post_init__(self) -> None:
        registered_roles, registered_actions = roles.registrations(), actions.registrations()
        self.access, _ = assemble(
            entities=[], actions=registered_actions, roles=registered_roles, rules=[], clock=self.clock
        )
        opened = {
            ("auth", "default"): self.auth,
            ("auth", "keycloak"): Redirecting(),
            ("auth", "elsewhere"): Elsewhere(),
        }
        self.providers = Providers(opened, {"auth": "default"})
        self.sessions = SessionService(self, self.policy)  # type: ignore[arg-type]

    def _hooks(self) -> UnitHooks:
        async def intercept(event: Event, work: UnitOfWork) -> None: ...

        return UnitHooks(intercept, lambda _: None, lambda _: WorkflowTarget(1, "default"))

    def uow(
        self, principal: Principal, *, request_id: str = "", now: datetime | None = None
    ) -> AbstractAsyncContextManager[UnitOfWork]:
        at = now or self.clock.now()
        return open_write(self.database, principal, self._hooks(), now=at, request_id=request_id)

    def read(
        self, principal: Principal, *, request_id: str = "", now: datetime | None = None
    ) -> AbstractAsyncContextManager[ReadUnit]:
        return open_read(self.database, principal, now=now or self.clock.now(), request_id=request_id)

    async def change_user(self, user_id: UUID, **values: object) -> None:
        async with self.uow(Principal.system("test")) as work:
            await work.connection.execute(
                update(User.__table__).where(User.__table__.c.id == user_id).values(**values)
            )

    async def rows(self, statement) -> list:
        async with self.read(Principal.system("test")) as work:
            return list((await work.connection.execute(statement)).all())

    @asynccontextmanager
    async def counting(self) -> AsyncIterator[list[str]]:
        """The SQL statements that run inside the block."""
        statements: list[str] = []

        def note(connection, cursor, statement, *_: object) -> None:
            statements.append(statement)

        engines = [engine.sync_engine for engine in self.database.engines]
        for engine in engines:
            event.listen(engine, "before_cursor_execute", note)
        try:
            yield statements
        finally:
            for engine in engines:
                event.remove(engine, "before_cursor_execute", note)


def of_core(registration: Any) -> Registered[Any]:
    return Registered("core", "computor-core", registration)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_url")
    else:
        url = f"sqlite+aiosqlite:///{tmp_path / 'test.db'}"
    opened = Database(url)
    registries = Registries(
        actions=MappingProxyType({one.name: of_core(one) for one in actions.registrations()}),
        roles=MappingProxyType({one.id: of_core(one) for one in roles.registrations()}),
    )
    try:
        await runner.upgrade(opened, registries)
        yield opened
    finally:
        await opened.aclose()


@pytest.fixture
async def app(database: Database) -> App:
    return App(database, Clock(), MemoryAuth())


@pytest.fixture
async def other_host(app: App) -> App:
    """A second application on the same database, with a memory of its own."""
    return App(app.database, app.clock, app.auth)


@pytest.fixture
async def ada(app: App) -> UUID:
    return await add_user(app, LOGIN)


async def add_user(app: App, login: str) -> UUID:
    user = User(email=login, email_key=email_key(login))
    async with app.uow(Principal.system("test")) as work:
        work.session.add(user)
    app.auth.accounts[email_key(login)] = MemoryAccount(user.id)
    await app.auth.set_password(SetPassword(user.id, GOOD))
    return user.id


async def sign_in(app: App, login: str = LOGIN, **options) -> IssuedSession:
    return await app.sessions.sign_in(login, GOOD, **options)


async def refused(app: App, token: str) -> None:
    with pytest.raises(AuthenticationError):
        await app.sessions.authenticate(token)


# --- beginning -------------------------------------------------------------------------------


async def test_a_session_begins_with_the_right_password(app: App, ada: UUID) -> None:
    issued = await sign_in(app, device=Device("192.0.2.1", "test/1.0"))
    principal = await app.sessions.authenticate(issued.token)
    assert (principal.user_id, principal.session_id) == (ada, issued.session_id)
    assert (issued.expires_at, issued.ends_at) == (T0 + POLICY.idle, T0 + POLICY.absolute)


async def test_no_session_begins_with_a_wrong_one(app: App, ada: UUID) -> None:
    with pytest.raises(AuthenticationError):
        await app.sessions.sign_in(LOGIN, "something else entirely")
    assert await app.rows(select(Session.id)) == []


@pytest.mark.parametrize("column", ["archived_at", "banned_at"])
async def test_archived_and_banned_users_begin_nothing(app: App, ada: UUID, column: str) -> None:
    """Even when a provider goes on proving them."""
    await app.change_user(ada, **{column: T0})
    with pytest.raises(AuthenticationError):
        await sign_in(app)
    assert await app.rows(select(Session.id)) == []


@pytest.mark.parametrize(
    "login",
    [
        "who",
        f"who {LOGIN}",
        "who other@example.org verified",
        "who service@example.org verified",
        f"{'w' * 256} {LOGIN} verified",
    ],
    ids=["no address", "unverified", "unknown", "service account", "endless subject"],
)
async def test_a_proven_stranger_gets_no_session(app: App, ada: UUID, login: str) -> None:
    await app.change_user(await add_user(app, "service@example.org"), is_service=True)
    with pytest.raises(AuthenticationError):
        await sign_in(app, login, instance="elsewhere")
    assert await app.rows(select(Account.id)) == []
    assert await app.rows(select(Session.id)) == []


async def test_an_identity_is_linked_once_by_a_verified_address_and_goes_by_its_subject(
    app: App, ada: UUID
) -> None:
    first = await sign_in(app, f"sub-1 {LOGIN.upper()} verified", instance="elsewhere")
    assert first.user_id == ada
    ((verified,),) = await app.rows(select(User.email_verified_at))
    assert verified == T0
    await app.change_user(ada, email="new@example.org", email_key="new@example.org")
    again = await sign_in(app, "sub-1 someone-else@example.org", instance="elsewhere")
    assert again.user_id == ada
    assert await app.rows(select(Account.user_id, Account.auth_instance, Account.subject)) == [
        (ada, "elsewhere", "sub-1")
    ]


async def test_who_was_given_a_members_mailbox_later_is_not_that_member(app: App, ada: UUID) -> None:
    await sign_in(app, f"sub-1 {LOGIN} verified", instance="elsewhere")
    with pytest.raises(AuthenticationError):
        await sign_in(app, f"sub-2 {LOGIN} verified", instance="elsewhere")
    assert await app.rows(select(Account.subject)) == [("sub-1",)]


async def test_ten_first_sign_ins_at_once_link_once(app: App, ada: UUID) -> None:
    login = f"sub-1 {LOGIN} verified"
    issued = await asyncio.gather(*(sign_in(app, login, instance="elsewhere") for _ in range(10)))
    assert {one.user_id for one in issued} == {ada}
    assert len(await app.rows(select(Account.id))) == 1


@pytest.mark.parametrize("column", ["archived_at", "banned_at"])
async def test_a_linked_identity_of_somebody_who_is_out_gets_no_session(
    app: App, ada: UUID, column: str
) -> None:
    await sign_in(app, f"sub-1 {LOGIN} verified", instance="elsewhere")
    await app.change_user(ada, **{column: T0})
    with pytest.raises(AuthenticationError):
        await sign_in(app, f"sub-1 {LOGIN} verified", instance="elsewhere")


async def test_only_configured_instances_are_asked(app: App, ada: UUID) -> None:
    with pytest.raises(InvalidError):
        await sign_in(app, instance="https://evil.example.org")
    with pytest.raises(CapabilityNotSupportedError):
        await sign_in(app, instance="keycloak")


async def test_what_is_stored_opens_nothing(app: App, ada: UUID) -> None:
    issued = await sign_in(app)
    made = await app.sessions.tokens.issue(await app.sessions.authenticate(issued.token), "ci")
    tables = (Session, ApiToken, AuditEvent, AuditValue, EventLog)
    stored = repr([await app.rows(select(table.__table__)) for table in tables])
    for secret in (issued.token, issued.csrf_token, made.token):
        assert secret not in stored
        assert secret[8:] not in stored
    assert token_hash(issued.token) in stored
    await refused(app, token_hash(issued.token))


async def test_secrets_stay_out_of_logs_and_reprs(
    app: App, ada: UUID, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    issued = await sign_in(app)
    principal = await app.sessions.authenticate(issued.token)
    made = await app.sessions.tokens.issue(principal, "ci")
    await app.sessions.authenticate(made.token)
    await app.sessions.revoke_all_sessions(principal)
    await refused(app, issued.token)
    told = caplog.text + repr(issued) + repr(made) + repr(principal)
    for secret in (issued.token, issued.csrf_token, made.token, GOOD):
        assert secret not in told
        assert secret[:12] not in told


# --- lasting ---------------------------------------------------------------------------------


async def test_use_keeps_a_session_alive_up_to_its_longest_life(app: App, ada: UUID) -> None:
    issued = await sign_in(app)
    for _ in range(9):
        app.clock.time += timedelta(days=3)
        await app.sessions.authenticate(issued.token)
    app.clock.time = T0 + POLICY.absolute - timedelta(seconds=1)
    await app.sessions.authenticate(issued.token)
    app.clock.time = T0 + POLICY.absolute
    await refused(app, issued.token)


async def test_an_unused_session_ends(app: App, ada: UUID, other_host: App) -> None:
    issued = await sign_in(app)
    app.clock.time += POLICY.idle - timedelta(seconds=1)
    await app.sessions.authenticate(issued.token)
    app.clock.time += POLICY.idle
    await refused(app, issued.token)
    await refused(other_host, issued.token)


async def test_a_remembered_credential_still_keeps_its_session_alive(app: App, ada: UUID) -> None:
    """Requests that never ask the database about the credential count as use, too."""
    issued = await sign_in(app)
    for _ in range(9):
        app.clock.time += timedelta(days=3)
        await app.sessions.credentials.recall(issued.token)


async def test_use_is_noted_now_and_then_not_every_time(app: App, ada: UUID) -> None:
    issued = await sign_in(app)
    await app.sessions.authenticate(issued.token)
    app.clock.time += POLICY.touch
    async with app.counting() as statements:
        await asyncio.gather(*[app.sessions.authenticate(issued.token) for _ in range(5)])
        for _ in range(20):
            await app.sessions.authenticate(issued.token)
    (row,) = await app.rows(select(Session.last_seen_at))
    assert row.last_seen_at == app.clock.time
    assert sum(statement.startswith("UPDATE session") for statement in statements) <= 5


# --- revoking --------------------------------------------------------------------------------


async def test_revoked_means_refused_at_the_next_request_on_every_host(
    app: App, other_host: App, ada: UUID
) -> None:
    issued = await sign_in(app)
    principal = await app.sessions.authenticate(issued.token)
    await other_host.sessions.authenticate(issued.token)
    await app.sessions.revoke_session(principal, issued.session_id)
    await refused(app, issued.token)
    await refused(other_host, issued.token)


async def test_a_remembered_principal_fails_the_guard_of_its_next_statement(
    app: App, other_host: App, ada: UUID
) -> None:
    issued = await sign_in(app)
    await other_host.sessions.authenticate(issued.token)
    await app.sessions.revoke_all_sessions(await app.sessions.authenticate(issued.token))
    remembered = await other_host.sessions.credentials.recall(issued.token)
    async with other_host.read(remembered.principal) as work:
        assert not await other_host.access.still_valid(work)
    with pytest.raises(AuthenticationError):
        await other_host.sessions.credentials.load(issued.token)


@pytest.mark.parametrize("column", ["archived_at", "banned_at"])
async def test_archiving_or_banning_shuts_everything_at_once(app: App, ada: UUID, column: str) -> None:
    issued = await sign_in(app)
    principal = await app.sessions.authenticate(issued.token)
    made = await app.sessions.tokens.issue(principal, "ci")
    await app.sessions.authenticate(made.token)
    await app.change_user(ada, **{column: T0})
    await refused(app, issued.token)
    await refused(app, made.token)
    with pytest.raises(StalePrincipalError):
        await app.sessions.list_sessions(principal)
    with pytest.raises(StalePrincipalError):
        await app.sessions.tokens.issue(principal, "another")


async def test_a_changed_grant_is_known_at_the_next_request(app: App, other_host: App, ada: UUID) -> None:
    issued = await sign_in(app)
    assert (await other_host.sessions.authenticate(issued.token)).grants == ()
    async with app.uow(Principal.system("test")) as work:
        work.session.add(UserRole(user_id=ada, role_id="_auditor"))
    (grant,) = (await other_host.sessions.authenticate(issued.token)).grants
    assert grant.role_id == "_auditor"


async def test_the_list_shows_own_live_sessions_and_which_is_current(app: App, ada: UUID) -> None:
    first = await sign_in(app, device=Device("192.0.2.1", "phone"))
    app.clock.time += timedelta(minutes=1)
    second = await sign_in(app, device=Device("192.0.2.2", "x" * 10_000))
    await add_user(app, "grace@example.org")
    await sign_in(app, "grace@example.org")
    principal = await app.sessions.authenticate(first.token)
    listed = await app.sessions.list_sessions(principal)
    assert [(one.id, one.current) for one in listed] == [
        (second.session_id, False),
        (first.session_id, True),
    ]
    assert [one.address for one in listed] == ["192.0.2.2", "192.0.2.1"]
    await app.sessions.revoke_session(principal, second.session_id)
    assert [one.id for one in await app.sessions.list_sessions(principal)] == [first.session_id]


async def test_nobody_revokes_anothers_session(app: App, ada: UUID) -> None:
    await add_user(app, "grace@example.org")
    hers = await sign_in(app, "grace@example.org")
    own = await sign_in(app)
    principal = await app.sessions.authenticate(own.token)
    with pytest.raises(NotFoundError):
        await app.sessions.revoke_session(principal, hers.session_id)
    await app.sessions.revoke_all_sessions(principal)
    await app.sessions.authenticate(hers.token)


async def test_revoking_all_leaves_none(app: App, ada: UUID) -> None:
    issued = [await sign_in(app) for _ in range(4)]
    principal = await app.sessions.authenticate(issued[0].token)
    assert await app.sessions.revoke_all_sessions(principal) == 4
    for one in issued:
        await refused(app, one.token)
    with pytest.raises(StalePrincipalError):
        await app.sessions.revoke_all_sessions(principal)


async def test_a_new_password_ends_the_other_sessions(app: App, ada: UUID) -> None:
    here, elsewhere = await sign_in(app), await sign_in(app)
    principal = await app.sessions.authenticate(here.token)
    with pytest.raises(AuthenticationError):
        await app.sessions.change_password(principal, "not the present one", "a quite new sentence")
    await app.sessions.authenticate(elsewhere.token)
    await app.sessions.change_password(principal, GOOD, "a quite new sentence")
    await app.sessions.authenticate(here.token)
    await refused(app, elsewhere.token)


async def test_an_administrators_reset_ends_sessions_and_tokens(app: App, ada: UUID) -> None:
    issued = await sign_in(app)
    made = await app.sessions.tokens.issue(await app.sessions.authenticate(issued.token), "ci")
    await app.sessions.authenticate(made.token)
    await app.sessions.revoke_everything(ada, reason="password set by an administrator")
    await refused(app, issued.token)
    await refused(app, made.token)


async def test_every_begin_and_end_is_told_and_audited_for_its_user(app: App, ada: UUID) -> None:
    issued = await app.sessions.sign_in(LOGIN, GOOD, request_id="request-1")
    principal = await app.sessions.authenticate(issued.token)
    await app.sessions.revoke_session(principal, issued.session_id, request_id="request-2")
    events = await app.rows(select(EventLog.name, EventLog.user_id, EventLog.payload).order_by(EventLog.id))
    assert [(row.name, row.user_id) for row in events] == [("session.started", ada), ("session.ended", ada)]
    assert {row.payload["session_id"] for row in events} == {str(issued.session_id)}
    audit = await app.rows(select(AuditEvent).order_by(AuditEvent.id))
    assert [(row.action, row.actor_id, row.request_id) for row in audit] == [
        ("session.begin", ada, "request-1"),
        ("session.revoke", ada, "request-2"),
    ]


# --- API tokens ------------------------------------------------------------------------------


async def test_an_api_token_is_shown_once_and_limited_to_its_scopes(app: App, ada: UUID) -> None:
    principal = await app.sessions.authenticate((await sign_in(app)).token)
    made = await app.sessions.tokens.issue(principal, "ci", scopes=["course.read", "course.read"])
    assert is_token(made.token)
    assert made.token.startswith("ctp_")
    by_token = await app.sessions.authenticate(made.token)
    assert (by_token.user_id, by_token.session_id) == (ada, None)
    assert by_token.scopes == frozenset({"course.read"})
    (listed,) = await app.sessions.tokens.list(principal)
    assert listed.scopes == ("course.read",)
    assert made.token.startswith(listed.prefix)
    assert len(listed.prefix) == 8
    assert made.token not in repr(listed)


async def test_an_api_token_manages_no_sessions_tokens_or_passwords(app: App, ada: UUID) -> None:
    """A leaked token makes no other, and shuts nobody out."""
    issued = await sign_in(app)
    principal = await app.sessions.authenticate(issued.token)
    by_token = await app.sessions.authenticate((await app.sessions.tokens.issue(principal, "ci")).token)
    calls = [
        lambda: app.sessions.tokens.issue(by_token, "another"),
        lambda: app.sessions.tokens.list(by_token),
        lambda: app.sessions.list_sessions(by_token),
        lambda: app.sessions.revoke_session(by_token, issued.session_id),
        lambda: app.sessions.revoke_all_sessions(by_token),
        lambda: app.sessions.change_password(by_token, GOOD, "a quite new sentence"),
    ]
    for call in calls:
        with pytest.raises(ForbiddenError):
            await call()


async def test_api_tokens_that_cannot_be_are_refused(app: App, ada: UUID) -> None:
    principal = await app.sessions.authenticate((await sign_in(app)).token)
    wrong = [
        ({"name": " "}, "name"),
        ({"name": "x" * 256}, "name"),
        ({"name": "ci", "scopes": ["everything"]}, "scopes"),
        ({"name": "ci", "scopes": []}, "scopes"),
        ({"name": "ci", "expires_at": T0}, "expires_at"),
        ({"name": "ci", "expires_at": T0 + POLICY.api_token_longest + timedelta(seconds=1)}, "expires_at"),
    ]
    for options, field_name in wrong:
        with pytest.raises(InvalidError) as caught:
            await app.sessions.tokens.issue(principal, **options)
        assert [problem.path for problem in caught.value.fields] == [field_name]
    assert await app.sessions.tokens.list(principal) == []


async def test_an_api_token_ends_when_it_says(app: App, ada: UUID) -> None:
    principal = await app.sessions.authenticate((await sign_in(app)).token)
    made = await app.sessions.tokens.issue(principal, "ci", expires_at=T0 + timedelta(hours=1))
    app.clock.time += timedelta(minutes=59)
    await app.sessions.authenticate(made.token)
    app.clock.time += timedelta(minutes=1)
    await refused(app, made.token)


async def test_a_revoked_api_token_is_refused_on_every_host(app: App, other_host: App, ada: UUID) -> None:
    principal = await app.sessions.authenticate((await sign_in(app)).token)
    made = await app.sessions.tokens.issue(principal, "ci")
    await other_host.sessions.authenticate(made.token)
    await app.sessions.tokens.revoke(principal, made.info.id)
    await refused(app, made.token)
    await refused(other_host, made.token)
    with pytest.raises(NotFoundError):
        await app.sessions.tokens.revoke(principal, made.info.id)


async def test_nobody_sees_or_revokes_anothers_api_token(app: App, ada: UUID) -> None:
    await add_user(app, "grace@example.org")
    grace = await app.sessions.authenticate((await sign_in(app, "grace@example.org")).token)
    hers = await app.sessions.tokens.issue(grace, "ci")
    principal = await app.sessions.authenticate((await sign_in(app)).token)
    assert await app.sessions.tokens.list(principal) == []
    with pytest.raises(NotFoundError):
        await app.sessions.tokens.revoke(principal, hers.info.id)
    await app.sessions.authenticate(hers.token)


async def test_the_last_use_of_an_api_token_is_noted(app: App, ada: UUID) -> None:
    principal = await app.sessions.authenticate((await sign_in(app)).token)
    made = await app.sessions.tokens.issue(principal, "ci")
    await app.sessions.authenticate(made.token)
    (listed,) = await app.sessions.tokens.list(principal)
    assert listed.last_used_at == T0


# --- what is presented -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "cts_",
        "cts_" + "a" * 43,
        "ctp_" + "a" * 43,
        "ctx_" + "a" * 43,
        "cts_" + "a" * 42 + "\n",
        "ä" * 47,
    ],
)
async def test_everything_that_is_no_live_token_gets_the_same_answer(app: App, ada: UUID, token: str) -> None:
    issued = await sign_in(app)
    await app.sessions.revoke_all_sessions(await app.sessions.authenticate(issued.token))
    answers = []
    for presented in (issued.token, token):
        with pytest.raises(AuthenticationError) as caught:
            await app.sessions.authenticate(presented)
        answers.append((type(caught.value), str(caught.value), caught.value.details))
    assert answers[0] == answers[1]


async def test_the_csrf_token_belongs_to_one_session(app: App, ada: UUID) -> None:
    one, other = await sign_in(app), await sign_in(app)
    credential = await app.sessions.credentials.prove(one.token)
    assert credential.csrf_matches(one.csrf_token)
    assert csrf_token(one.token) == one.csrf_token
    assert not credential.csrf_matches(other.csrf_token)
    assert not credential.csrf_matches("")
    assert not credential.csrf_matches(None)
    principal = credential.principal
    by_token = await app.sessions.credentials.prove((await app.sessions.tokens.issue(principal, "ci")).token)
    assert not by_token.csrf_matches(one.csrf_token)


async def test_a_remembered_principal_costs_one_look_up_and_a_guarded_one_none(app: App, ada: UUID) -> None:
    issued = await sign_in(app)
    await app.sessions.authenticate(issued.token)
    async with app.counting() as statements:
        await app.sessions.authenticate(issued.token)
    assert len(statements) == 1
    async with app.counting() as statements:
        await app.sessions.credentials.recall(issued.token)
    assert statements == []


async def test_the_memory_is_bounded(app: App, ada: UUID) -> None:
    issued = [await sign_in(app) for _ in range(POLICY.cached_principals + 2)]
    for one in issued:
        await app.sessions.credentials.recall(one.token)
    async with app.counting() as statements:
        await app.sessions.credentials.recall(issued[0].token)
    assert statements
    async with app.counting() as statements:
        await app.sessions.credentials.recall(issued[-1].token)
    assert statements == []


# --- how often -------------------------------------------------------------------------------


async def test_a_login_may_try_so_often_and_no_more(database: Database) -> None:
    policy = SessionPolicy(sign_ins_per_login=3, sign_ins_per_address=100)
    app = App(database, Clock(), MemoryAuth(), policy)
    await add_user(app, LOGIN)
    for login in (LOGIN, LOGIN.upper(), f" {LOGIN}"):
        await app.sessions.sign_in(login, GOOD, device=Device("192.0.2.1"))
    with pytest.raises(TooManyRequestsError) as caught:
        await app.sessions.sign_in(LOGIN, GOOD, device=Device("192.0.2.2"))
    assert 0 < caught.value.retry_after <= 60


async def test_an_address_may_try_so_often_and_no_more(database: Database) -> None:
    policy = SessionPolicy(sign_ins_per_login=100, sign_ins_per_address=3)
    app = App(database, Clock(), MemoryAuth(), policy)
    for number in range(3):
        with pytest.raises(AuthenticationError):
            await app.sessions.sign_in(f"guess{number}@example.org", GOOD, device=Device("192.0.2.1"))
    with pytest.raises(TooManyRequestsError):
        await app.sessions.sign_in("another@example.org", GOOD, device=Device("192.0.2.1"))
    with pytest.raises(AuthenticationError):
        await app.sessions.sign_in("another@example.org", GOOD, device=Device("192.0.2.9"))


async def test_without_the_cache_a_host_counts_by_itself(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    from computor_core.errors import ProviderUnavailableError

    policy = SessionPolicy(sign_ins_per_login=3)
    app = App(database, Clock(), MemoryAuth(), policy)
    await add_user(app, LOGIN)

    async def away(_: object) -> None:
        raise ProviderUnavailableError("gone for lunch")

    monkeypatch.setattr(app.cache, "increment", away)
    for _ in range(3):
        await sign_in(app)
    with pytest.raises(TooManyRequestsError):
        await sign_in(app)
    app.clock.time += policy.sign_in_window
    await sign_in(app)
