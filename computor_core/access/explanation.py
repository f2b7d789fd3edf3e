"""Why: which branch let a caller through, what is missing, and who else could."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, bindparam, false, literal, literal_column, or_, select

from computor_core.access.caller import CALLER, Caller, guard, live_user, parameters
from computor_core.db.types import UtcDateTime
from computor_core.model import User
from computor_core.plugin_api.principal import PrincipalKind, ScopeKind

if TYPE_CHECKING:
    from sqlalchemy import Table

    from computor_core.access.rules import Arm, Rule
    from computor_core.access.selection import Selection
    from computor_core.access.vocabulary import Vocabulary
    from computor_core.db.unit_of_work import ReadUnit
    from computor_core.plugin_api.principal import Principal


@dataclass(frozen=True, slots=True)
class MissingGrant:
    """A grant that would open a branch, as far as roles go.

    Attributes:
        scope: Level at which it could be held.
        action: The action that it must contain.
        roles: Ids of the roles of that level that contain it.
    """

    scope: ScopeKind
    action: str
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BranchOutcome:
    """What became of a branch.

    Attributes:
        name: The branch.
        holds: Whether it reaches the row for the caller's user, its token's limits aside.
        missing: Grants any of which would open it, where roles are what is missing.
    """

    name: str
    holds: bool
    missing: tuple[MissingGrant, ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a caller may or may not do something to a row.

    Attributes:
        action: The action.
        endpoint: The entity.
        row_id: The row, as text.
        allowed: The decision; the same that a check makes.
        branch: Name of the branch that let the caller through, or None.
        reason: One sentence.
        branches: Every branch of the rule.
    """

    action: str
    endpoint: str
    row_id: str
    allowed: bool
    branch: str | None
    reason: str
    branches: tuple[BranchOutcome, ...] = ()


@dataclass(frozen=True, slots=True)
class Holder:
    """Somebody who may do something to a row.

    Attributes:
        user_id: Who.
        branches: The branches that let them.
    """

    user_id: UUID
    branches: tuple[str, ...]


def _branches(rule: Rule) -> dict[str, list[Arm]]:
    found: dict[str, list[Arm]] = {}
    for arm in rule.arms:
        found.setdefault(arm.branch, []).append(arm)
    return found


def _tests(rule: Rule, table: Table, caller: Caller) -> list[ColumnElement[Any]]:
    return [
        or_(*(arm.test(table, caller) for arm in arms)).label(f"branch_{number}")
        for number, arms in enumerate(_branches(rule).values())
    ]


async def explain(
    vocabulary: Vocabulary,
    work: ReadUnit,
    selection: Selection,
    endpoint: str,
    table: Table,
    row_id: UUID | str,
) -> Explanation:
    """Ask every branch of the rule by itself about one row; one statement."""
    principal, rule = work.principal, selection.rule

    def answer(
        allowed: bool, branch: str | None, reason: str, branches: tuple[BranchOutcome, ...] = ()
    ) -> Explanation:
        return Explanation(selection.action, endpoint, str(row_id), allowed, branch, reason, branches)

    if selection.action not in vocabulary.actions:
        return answer(False, None, "the action is unknown")
    if rule is None:
        if selection.unlimited:
            return answer(True, None, "system principals pass every rule")
        return answer(False, None, "no rule says that the action reaches any row of this entity")
    denied = or_(*(deny(table, CALLER) for deny in rule.deny)) if rule.deny else false()
    statement = select(
        guard(selection.credential).label("live"),
        selection.allowed(table).label("allowed"),
        denied.label("denied"),
        *_tests(rule, table, CALLER),
    ).where(table.c.id == bindparam("row_id", type_=table.c.id.type))
    values = parameters(principal, work.now) | {"row_id": row_id}
    row = (await work.connection.execute(statement, values)).one_or_none()
    if row is None:
        return answer(False, None, "there is no such row")
    outcomes = tuple(
        _outcome(vocabulary, name, arms, bool(row._mapping[f"branch_{number}"]))
        for number, (name, arms) in enumerate(_branches(rule).items())
    )
    allowed = bool(row.live and row.allowed)
    branch = next((outcome.name for outcome in outcomes if outcome.holds), None) if allowed else None
    return answer(allowed, branch, _reason(principal, selection, row, allowed, branch), outcomes)


def _outcome(vocabulary: Vocabulary, name: str, arms: list[Arm], holds: bool) -> BranchOutcome:
    needs = sorted({need for arm in arms for need in arm.needs}) if not holds else []
    missing = tuple(
        MissingGrant(
            level,
            action,
            tuple(
                sorted(
                    role
                    for role in vocabulary.roles_with(action)
                    if role.startswith(f"{level}:") or (level is ScopeKind.GLOBAL and ":" not in role)
                )
            ),
        )
        for level, action in needs
    )
    return BranchOutcome(name, holds, missing)


def _reason(
    principal: Principal, selection: Selection, row: Row[Any], allowed: bool, branch: str | None
) -> str:
    if selection.unlimited:
        return "system principals pass every rule"
    if allowed:
        return f"branch {branch} holds"
    if not row.live:
        return "the caller isn't live: revoked, expired, archived, banned, or its grants changed"
    if row.denied or row.denied is None:
        return "a deny condition holds"
    if principal.scopes is not None and selection.action not in principal.scopes:
        return "the token isn't allowed to use the action"
    if principal.kind is PrincipalKind.ANONYMOUS:
        return "nobody is signed in"
    return "no branch holds"


async def who_can(
    work: ReadUnit, rule: Rule | None, table: Table, row_id: UUID | str, *, limit: int
) -> list[Holder]:
    """Everybody who may do it, by user id; looks at every user, so it is for administration.

    Token limits aren't part of the answer: it is about people and service accounts.
    """
    if rule is None or not rule.arms:
        return []
    user = User.__table__.alias("holder")
    now: ColumnElement[datetime] = literal(work.now, UtcDateTime())
    caller = Caller(user=user.c.id, now=now, froms=(user,))
    statement = (
        select(user.c.id, *_tests(rule, table, caller))
        .select_from(user.join(table, literal_column("1") == literal_column("1")))
        .where(table.c.id == row_id, live_user(user), rule.allowed(table, caller))
        .order_by(user.c.id)
        .limit(limit)
    )
    names = list(_branches(rule))
    return [
        Holder(row[0], tuple(name for name, holds in zip(names, row[1:], strict=True) if holds))
        for row in await work.connection.execute(statement)
    ]
