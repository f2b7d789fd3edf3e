"""Signing in and out, the list of devices, and personal API tokens."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import select, update

from computor_core.errors import AuthenticationError, FieldProblem, InvalidError, NotFoundError
from computor_core.model.users import ApiToken, Session, User
from computor_core.plugin_api.events import SessionEnded, SignedIn
from computor_core.plugin_api.principal import Principal, PrincipalKind
from computor_core.plugin_api.providers.auth import AuthProvider, PasswordSignIn, SetPassword
from computor_core.services.sessions import tokens
from computor_core.services.sessions.api_tokens import ApiTokenService
from computor_core.services.sessions.credentials import CredentialStore
from computor_core.services.sessions.limits import SignInLimiter
from computor_core.services.sessions.linking import user_of
from computor_core.services.sessions.policy import SessionPolicy
from computor_core.services.sessions.presence import in_session, refused, require_live

if TYPE_CHECKING:
    from computor_core.app import Computor

_LONGEST_NAME = 255
_SYSTEM = Principal.system("core:sessions")
_LONGEST_USER_AGENT = 512
_LONGEST_ADDRESS = 64


@dataclass(frozen=True, slots=True)
class Device:
    """Where a sign-in comes from.

    Attributes:
        address: Network address of the caller, as the host trusts it; for limits and the list.
        user_agent: What the caller calls itself; shown in the list, trusted for nothing.
    """

    address: str = ""
    user_agent: str = ""


@dataclass(frozen=True, slots=True)
class IssuedSession:
    """A new session; the only time its token is seen.

    Attributes:
        session_id: The session.
        user_id: Whose it is.
        token: The bearer token or cookie value.
        csrf_token: What a page must send along with every change it makes by cookie.
        expires_at: When it ends unless it is used.
        ends_at: When it ends at the latest.
    """

    session_id: UUID
    user_id: UUID
    token: str = field(repr=False)
    csrf_token: str = field(repr=False)
    expires_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """A live session, as its owner's list of devices shows it."""

    id: UUID
    auth_instance: str
    address: str
    user_agent: str
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    current: bool


class SessionService:
    """Sessions and tokens of one application.

    Args:
        app: The application.
        policy: Lifetimes and limits; those of the settings unless given.

    Attributes:
        credentials: Who stands behind a token.
        tokens: Personal API tokens.
    """

    def __init__(self, app: Computor, policy: SessionPolicy | None = None) -> None:
        self._app = app
        self.policy = policy or SessionPolicy.of(app.settings.sessions)
        self.credentials = CredentialStore(app, self.policy)
        self.tokens = ApiTokenService(app, self.policy)
        self._limiter = SignInLimiter(app, self.policy)

    # --- signing in -----------------------------------------------------------------------

    async def sign_in(
        self,
        login: str,
        password: str,
        *,
        instance: str | None = None,
        device: Device = Device(),
        request_id: str = "",
    ) -> IssuedSession:
        """Begin a session by name and password.

        Args:
            login: Name as the provider knows it: an e-mail address for local accounts.
            password: Never logged and never stored here.
            instance: Instance of an authentication provider, None for the default one.
            device: Where the caller is.
            request_id: For the audit trail.

        Raises:
            AuthenticationError: Unknown name, wrong password, or the user is archived or banned;
                never said which.
            TooManyRequestsError: Too many tries for this name or from this address.
            InvalidError: No such provider instance.
            CapabilityNotSupportedError: The provider takes no passwords.
        """
        name, provider = self.provider(instance)
        await self._limiter.charge(login, device.address)
        identity = await provider.sign_in(PasswordSignIn(login, password, device.address))
        user_id = identity.user_id or await user_of(self._app, name, identity, request_id=request_id)
        return await self.begin(user_id, instance=name, device=device, request_id=request_id)

    async def begin(
        self, user_id: UUID, *, instance: str, device: Device, request_id: str = ""
    ) -> IssuedSession:
        """Begin a session for a user whose identity has been proven.

        Raises:
            AuthenticationError: There is no such user, or it is archived or banned.
        """
        token = tokens.new_session_token()
        csrf = tokens.csrf_token(token)
        who = Principal(kind=PrincipalKind.USER, user_id=user_id)
        async with self._app.uow(who, request_id=request_id) as work:
            live = select(User.id).where(
                User.id == user_id, User.archived_at.is_(None), User.banned_at.is_(None)
            )
            if (await work.connection.execute(live)).one_or_none() is None:
                raise AuthenticationError("the name or the password is wrong")
            session = Session(
                user_id=user_id,
                token_hash=tokens.token_hash(token),
                csrf_hash=tokens.token_hash(csrf),
                auth_instance=instance,
                address=device.address[:_LONGEST_ADDRESS],
                user_agent=device.user_agent[:_LONGEST_USER_AGENT],
                created_at=work.now,
                last_seen_at=work.now,
                expires_at=work.now + min(self.policy.idle, self.policy.absolute),
                created_by=user_id,
            )
            work.session.add(session)
            await work.session.flush()
            work.emit(SignedIn(user_id=user_id, session_id=session.id, auth_instance=instance))
            work.audit("session.begin", "sessions", session.id, after={"auth_instance": instance})
        return IssuedSession(
            session_id=session.id,
            user_id=user_id,
            token=token,
            csrf_token=csrf,
            expires_at=session.expires_at,
            ends_at=session.created_at + self.policy.absolute,
        )

    async def change_password(
        self, principal: Principal, current: str, new: str, *, request_id: str = ""
    ) -> None:
        """Change the caller's own password and end all of the caller's other sessions.

        Raises:
            ForbiddenError: The caller isn't a person in a session.
            AuthenticationError: ``current`` is wrong.
            InvalidError: ``new`` breaks the provider's policy.
            TooManyRequestsError: Too many wrong tries.
        """
        user_id, session_id = in_session(principal)
        async with self._app.read(principal, request_id=request_id) as reading:
            statement = select(Session.auth_instance).where(Session.id == session_id)
            instance = (await reading.connection.execute(statement)).scalar_one_or_none()
        if instance is None:
            raise refused()
        _, provider = self.provider(instance)
        await provider.set_password(SetPassword(user_id, new, current))
        await self._end(principal, reason="password changed", keep=session_id, request_id=request_id)

    async def authenticate(self, token: str) -> Principal:
        """The principal behind a bearer token, proven live by the database now.

        Raises:
            AuthenticationError: Malformed, unknown, expired or revoked, or its user is archived
                or banned.
        """
        return (await self.credentials.prove(token)).principal

    # --- the list of devices --------------------------------------------------------------

    async def list_sessions(self, principal: Principal, *, request_id: str = "") -> list[SessionInfo]:
        """The caller's own live sessions, the newest first.

        Raises:
            ForbiddenError: The caller isn't a person in a session.
        """
        user_id, session_id = in_session(principal)
        async with self._app.read(principal, request_id=request_id) as work:
            await require_live(self._app, work)
            statement = (
                select(
                    Session.id,
                    Session.auth_instance,
                    Session.address,
                    Session.user_agent,
                    Session.created_at,
                    Session.last_seen_at,
                    Session.expires_at,
                )
                .where(
                    Session.user_id == user_id,
                    Session.revoked_at.is_(None),
                    Session.expires_at > work.now,
                )
                .order_by(Session.created_at.desc(), Session.id.desc())
            )
            rows = (await work.connection.execute(statement)).all()
        return [SessionInfo(*row, current=row.id == session_id) for row in rows]

    async def revoke_session(
        self, principal: Principal, session_id: UUID, *, reason: str = "revoked", request_id: str = ""
    ) -> None:
        """End one of the caller's own sessions; it is refused from the next request on.

        Raises:
            ForbiddenError: The caller isn't a person in a session.
            NotFoundError: The caller has no such live session.
        """
        ended = await self._end(principal, reason=reason, only=session_id, request_id=request_id)
        if not ended:
            raise NotFoundError("there is no such session")

    async def revoke_all_sessions(self, principal: Principal, *, request_id: str = "") -> int:
        """End all of the caller's sessions, the present one too; returns how many ended.

        Raises:
            ForbiddenError: The caller isn't a person in a session.
        """
        return await self._end(principal, reason="all revoked", request_id=request_id)

    async def revoke_everything(self, user_id: UUID, *, reason: str, request_id: str = "") -> None:
        """End all sessions and API tokens of a user; for callers that have checked their right to.

        Args:
            user_id: Whose.
            reason: Kept with each session.
            request_id: For the audit trail.
        """
        async with self._app.uow(_SYSTEM, request_id=request_id) as work:
            sessions = (
                update(Session)
                .where(Session.user_id == user_id, Session.revoked_at.is_(None))
                .values(revoked_at=work.now, revocation_reason=reason)
                .returning(Session.id)
            )
            for session_id in (await work.connection.execute(sessions)).scalars().all():
                work.emit(SessionEnded(user_id=user_id, session_id=session_id))
                work.audit("session.revoke", "sessions", session_id, after={"reason": reason})
            api_tokens = (
                update(ApiToken)
                .where(ApiToken.user_id == user_id, ApiToken.revoked_at.is_(None))
                .values(revoked_at=work.now)
                .returning(ApiToken.id)
            )
            for token_id in (await work.connection.execute(api_tokens)).scalars().all():
                work.audit("token.revoke", "api-tokens", token_id, after={"reason": reason})
        self.credentials.forget(user_id=user_id)

    async def _end(
        self,
        principal: Principal,
        *,
        reason: str,
        only: UUID | None = None,
        keep: UUID | None = None,
        request_id: str,
    ) -> int:
        user_id, _ = in_session(principal)
        async with self._app.uow(principal, request_id=request_id) as work:
            await require_live(self._app, work)
            change = (
                update(Session)
                .where(
                    Session.user_id == user_id,
                    Session.revoked_at.is_(None),
                    Session.expires_at > work.now,
                )
                .values(revoked_at=work.now, revocation_reason=reason)
                .returning(Session.id)
            )
            if only is not None:
                change = change.where(Session.id == only)
            if keep is not None:
                change = change.where(Session.id != keep)
            ended = (await work.connection.execute(change)).scalars().all()
            for session_id in ended:
                work.emit(SessionEnded(user_id=user_id, session_id=session_id))
                work.audit("session.revoke", "sessions", session_id, after={"reason": reason})
        for session_id in ended:
            self.credentials.forget(session_id=session_id)
        return len(ended)

    def provider(self, instance: str | None) -> tuple[str, AuthProvider]:
        """A sign-in instance by its name, the default one for None; the name beside it.

        Raises:
            InvalidError: No such instance.
        """
        providers = self._app.providers
        name = instance or providers.default("auth")
        if name not in providers.names("auth"):
            problem = FieldProblem("provider", "unknown", "there is no such sign-in instance")
            raise InvalidError("there is no such sign-in instance", fields=[problem])
        return name, providers.get(AuthProvider, name)
