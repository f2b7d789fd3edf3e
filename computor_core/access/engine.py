"""The access engine: what every decision is asked of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Uuid, and_, bindparam, literal_column, select

from computor_core.access import delegation, explanation, principals
from computor_core.access.caller import credential_of, guard, parameters, with_values
from computor_core.access.errors import StalePrincipalError
from computor_core.access.row_ids import row_id_of
from computor_core.access.rules import RuleBook
from computor_core.access.scopes import scopes_above
from computor_core.access.selection import Selection
from computor_core.access.statements import StatementCache
from computor_core.access.vocabulary import Vocabulary
from computor_core.clock import Clock, SystemClock
from computor_core.errors import ForbiddenError, NotFoundError
from computor_core.plugin_api.principal import Principal, PrincipalKind, ScopeKind

if TYPE_CHECKING:
    from sqlalchemy import Table
    from sqlalchemy.ext.asyncio import AsyncConnection

    from computor_core.db.unit_of_work import ReadUnit
    from computor_core.plugin_api.access import AccessRuleRegistration
    from computor_core.plugin_api.registrations import ActionRegistration, RoleRegistration

SCOPE_ENDPOINTS: dict[ScopeKind, str] = {
    ScopeKind.ORGANIZATION: "organizations",
    ScopeKind.FAMILY: "course-families",
    ScopeKind.COURSE: "courses",
}
"""The entity whose rows are the scopes of a level."""

_NO_ROW = UUID(int=0)
_SYSTEM, _GLOBAL = PrincipalKind.SYSTEM, ScopeKind.GLOBAL


class AccessEngine:
    """Decides who may do what to which rows.

    Args:
        actions: The vocabulary, of core and plugins.
        roles: What they consist of.
        rules: Which rows each action reaches.
        tables: The table of each entity.
        read_actions: The action that reading each entity needs, where it can be read at all.
        clock: For predicates that no unit of work gives a time.

    Raises:
        ConfigurationError: The vocabulary or a rule is broken; everything wrong is listed.
    """

    def __init__(
        self,
        *,
        actions: Iterable[ActionRegistration],
        roles: Iterable[RoleRegistration],
        rules: Iterable[AccessRuleRegistration],
        tables: Mapping[str, Table],
        read_actions: Mapping[str, str],
        clock: Clock | None = None,
    ) -> None:
        self.vocabulary = Vocabulary(actions, roles)
        self.tables = dict(tables)
        self.rules = RuleBook(rules, self.tables)
        self._read_actions = dict(read_actions)
        self._clock = clock or SystemClock()
        self._endpoints = {table.name: endpoint for endpoint, table in self.tables.items()}
        self._selections: StatementCache[Selection] = StatementCache(8192)
        self._checks: StatementCache[Select[Any]] = StatementCache(4096)

    # --- which arms count -----------------------------------------------------------------

    def select(self, principal: Principal, action: str, endpoint: str) -> Selection:
        """What of the rule for an action on an entity this caller can have; shared and cached."""
        key = (
            endpoint,
            action,
            principal.kind,
            credential_of(principal),
            principal.scopes,
            principal.role_ids,
        )
        return self._selections.get(key, lambda: self._select(principal, action, endpoint))

    def _select(self, principal: Principal, action: str, endpoint: str) -> Selection:
        credential = credential_of(principal)
        if not self.vocabulary.knows_action(action):
            return Selection(action, None, (), credential)
        rule = self.rules.get(endpoint, action)
        if principal.is_system:
            return Selection(action, rule, (), credential, unlimited=True)
        if rule is None or (principal.scopes is not None and action not in principal.scopes):
            return Selection(action, rule, (), credential)
        holding = self.vocabulary.holding(principal.role_ids)
        signed_in = principal.kind is not PrincipalKind.ANONYMOUS
        arms = tuple(
            arm
            for arm in rule.arms
            if arm.needs <= holding
            and (signed_in or arm.anonymous)
            and (principal.scopes is None or arm.actions <= principal.scopes)
        )
        whole = [arm for arm in arms if arm.covers_all]
        return Selection(action, rule, tuple(whole[:1]) or arms, credential)

    def endpoint_of(self, model: type[Any] | str) -> str:
        """The endpoint of a mapped class or, unchanged, an endpoint.

        Raises:
            KeyError: No entity has this class.
        """
        return model if isinstance(model, str) else self._endpoints[model.__tablename__]

    # --- predicates -----------------------------------------------------------------------

    def predicate(
        self, principal: Principal, action: str, model: type[Any] | str, *, now: datetime | None = None
    ) -> ColumnElement[bool]:
        """The condition that the action reaches a row, for a WHERE over the entity's own table.

        It includes the caller's liveness, carries its own values and holds for no row at all when
        the action is unknown or nothing is registered for it.

        Args:
            principal: The caller.
            action: The action.
            model: The mapped class, or the endpoint.
            now: Start of the request, UTC; the clock's time by default.
        """
        endpoint = self.endpoint_of(model)
        selection = self.select(principal, action, endpoint)
        condition = and_(guard(selection.credential), selection.allowed(self.tables[endpoint]))
        return with_values(condition, parameters(principal, now or self._clock.now()))

    def live(self, principal: Principal) -> ColumnElement[bool]:
        """The caller's liveness alone; its values come from :meth:`parameters`."""
        return guard(credential_of(principal))

    def parameters(self, principal: Principal, now: datetime) -> dict[str, Any]:
        """The values that compiled statements name."""
        return parameters(principal, now)

    # --- decisions ------------------------------------------------------------------------

    async def allowed(self, work: ReadUnit, action: str, endpoint: str, row_id: UUID | str) -> bool:
        """Whether the caller may do this to this row; false when there is no such row.

        Raises:
            StalePrincipalError: The caller isn't live.
        """
        return (await self._ask(work, action, endpoint, row_id))[1]

    async def require(self, work: ReadUnit, action: str, endpoint: str, row_id: UUID | str) -> None:
        """Require that the caller may do this to this row.

        Raises:
            NotFoundError: No such row, or none that the caller can read.
            ForbiddenError: The row can be read, the action is refused.
            StalePrincipalError: The caller isn't live.
        """
        readable, allowed = await self._ask(work, action, endpoint, row_id)
        if allowed:
            return
        if readable:
            raise ForbiddenError(f"{action} isn't allowed here", details={"action": action})
        raise NotFoundError("there is no such row", details={"entity": endpoint})

    async def _ask(self, work: ReadUnit, action: str, endpoint: str, row_id: UUID | str) -> tuple[bool, bool]:
        """Whether the row can be read, and whether the action is allowed; one statement."""
        table = self.tables[endpoint]
        selection = self.select(work.principal, action, endpoint)
        read_action = self._read_actions.get(endpoint)
        readable = self.select(work.principal, read_action, endpoint) if read_action else None
        statement = self._checks.get((selection, readable), lambda: _check(table, selection, readable))
        values = parameters(work.principal, work.now) | {"row_id": _key(table, row_id)}
        found = (await work.connection.execute(statement, values)).one_or_none()
        if found is None:
            raise StalePrincipalError("the sign-in is no longer valid")
        return bool(getattr(found, "readable", False)), bool(found.allowed)

    async def allowed_at(
        self, work: ReadUnit, action: str, scope: ScopeKind | str, scope_id: UUID | None
    ) -> bool:
        """Whether the caller holds an action at a scope, by a role there or above it.

        Raises:
            StalePrincipalError: The caller isn't live.
        """
        return await delegation.holds_at(self.vocabulary, work, action, ScopeKind(scope), scope_id)

    async def require_at(
        self, work: ReadUnit, action: str, scope: ScopeKind | str, scope_id: UUID | None
    ) -> None:
        """Require an action at a scope.

        Raises:
            NotFoundError: The caller can't read the scope's row.
            ForbiddenError: It can, but lacks the action there.
            StalePrincipalError: The caller isn't live.
        """
        level = ScopeKind(scope)
        if await self.allowed_at(work, action, level, scope_id):
            return
        if level is not ScopeKind.GLOBAL and scope_id is not None:
            endpoint = SCOPE_ENDPOINTS[level]
            if not await self.allowed(work, self._read_actions[endpoint], endpoint, scope_id):
                raise NotFoundError("there is no such row", details={"entity": endpoint})
        raise ForbiddenError(f"{action} isn't allowed here", details={"action": action})

    def can(
        self,
        principal: Principal,
        action: str,
        scope: ScopeKind,
        scope_id: UUID | None = None,
        above: Iterable[UUID] = (),
    ) -> bool:
        """Whether the caller holds an action at a scope, decided in memory from its grants.

        For hot decisions that no statement makes (live topics). It is as fresh as the principal:
        :meth:`still_valid` says whether that one still holds.

        Args:
            principal: The caller.
            action: The action.
            scope: The level.
            scope_id: Id of the course, family or organization; None globally.
            above: Ids of the scopes above it (:meth:`scopes_above`).
        """
        # Written out: this is asked for every live message, so calls and properties count.
        if principal.kind is _SYSTEM:
            return True
        limited = principal.scopes
        if limited is not None and action not in limited:
            return False
        holders, held = self.vocabulary.holders.get(action), principal.roles_at
        if holders is None:
            return False
        if scope is not _GLOBAL and scope_id is not None:
            roles = held.get(scope_id.int)
            if roles is not None and not holders.isdisjoint(roles):
                return True
            for place in above:
                roles = held.get(place.int)
                if roles is not None and not holders.isdisjoint(roles):
                    return True
        roles = held.get(None)
        return roles is not None and not holders.isdisjoint(roles)

    async def still_valid(self, work: ReadUnit) -> bool:
        """Whether the caller's credential is live and its grants are what they were."""
        statement: Select[Any] = select(literal_column("1")).where(self.live(work.principal))
        found = await work.connection.scalar(statement, parameters(work.principal, work.now))
        return found is not None

    # --- who ------------------------------------------------------------------------------

    async def load_principal(
        self,
        connection: AsyncConnection,
        *,
        user_id: UUID,
        session_id: UUID | None = None,
        api_token_id: UUID | None = None,
        scopes: frozenset[str] | None = None,
    ) -> Principal:
        """Read a user's grants and epoch; see :func:`computor_core.access.principals.load_principal`."""
        return await principals.load_principal(
            connection,
            self.vocabulary,
            user_id=user_id,
            session_id=session_id,
            api_token_id=api_token_id,
            scopes=scopes,
        )

    async def scopes_above(
        self, connection: AsyncConnection, scope: ScopeKind | str, scope_id: UUID
    ) -> tuple[UUID, ...]:
        """Ids of the scopes above a course, family or organization, for :meth:`can`."""
        return await scopes_above(connection, ScopeKind(scope), scope_id)

    # --- giving roles ---------------------------------------------------------------------

    async def require_delegable(
        self, work: ReadUnit, role_id: str, scope: ScopeKind | str, scope_id: UUID | None
    ) -> None:
        """Require that the caller holds, at that scope, every action that a role contains.

        See :func:`computor_core.access.delegation.require_delegable`.
        """
        await delegation.require_delegable(work, [role_id], ScopeKind(scope), scope_id)

    # --- why ------------------------------------------------------------------------------

    async def explain(
        self, work: ReadUnit, action: str, endpoint: str, row_id: UUID | str
    ) -> explanation.Explanation:
        """Why the caller may or may not do this to this row: the branch, or the missing grant."""
        selection, table = self.select(work.principal, action, endpoint), self.tables[endpoint]
        return await explanation.explain(
            self.vocabulary, work, selection, endpoint, table, _key(table, row_id)
        )

    async def who_can(
        self, work: ReadUnit, action: str, endpoint: str, row_id: UUID | str, *, limit: int = 1000
    ) -> list[explanation.Holder]:
        """Who may do this to this row, by which branches; for administration."""
        rule = self.rules.get(endpoint, action) if self.vocabulary.knows_action(action) else None
        table = self.tables[endpoint]
        return await explanation.who_can(work, rule, table, _key(table, row_id), limit=limit)


def _key(table: Table, row_id: UUID | str) -> UUID | str:
    """The id to ask for; what can't be any row's becomes one that no row has.

    The question is asked nevertheless, so that it tells whether the caller is live.
    """
    try:
        return row_id_of(table.c.id.type, row_id)
    except ValueError:
        return _NO_ROW if isinstance(table.c.id.type, Uuid) else ""


def _check(table: Table, selection: Selection, readable: Selection | None) -> Select[Any]:
    """Whether a row (``row_id``) can be read and the action is allowed; no row: the caller isn't live."""
    columns = [selection.allowed(table).label("allowed")]
    if readable is not None:
        columns.append(readable.allowed(table).label("readable"))
    row = select(*columns).where(table.c.id == bindparam("row_id", type_=table.c.id.type)).subquery()
    live = select(literal_column("1").label("live")).where(guard(selection.credential)).subquery()
    return select(row).select_from(live.outerjoin(row, literal_column("1") == literal_column("1")))
