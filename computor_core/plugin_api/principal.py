"""Who acts: the principal of a request, a command or a workflow step."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID


class PrincipalKind(StrEnum):
    """What kind of caller acts."""

    ANONYMOUS = "anonymous"
    USER = "user"
    SERVICE = "service"
    SYSTEM = "system"


class ScopeKind(StrEnum):
    """The levels at which a role can be held, widest first."""

    GLOBAL = "global"
    ORGANIZATION = "organization"
    FAMILY = "family"
    COURSE = "course"


@dataclass(frozen=True, slots=True)
class Grant:
    """A role held at a scope.

    Attributes:
        scope: The level.
        scope_id: Id of the organization, family or course; None at the global level.
        role_id: Id of the role (``"_admin"``, ``"course:_tutor"``).
        path: Materialised path of an organization, whose sub-organizations the grant reaches.
    """

    scope: ScopeKind
    scope_id: UUID | None
    role_id: str
    path: str | None = None


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller, as resolved from a credential at ``epoch``.

    A principal may be cached: every statement that relies on it proves inside itself that the
    credential is live and that ``epoch`` is still the user's, so a stale one changes nothing
    and reveals nothing.

    Attributes:
        kind: What kind of caller.
        user_id: The user (people and services); None for anonymous and system callers.
        label: What logs and the audit trail call a system principal (``"workflow:submission.test"``).
        session_id: The session behind a bearer token or cookie, else None.
        api_token_id: The personal or service token, else None.
        epoch: ``user.grants_epoch`` when the grants were read.
        scopes: Actions that a token is limited to (None: no limit); only ever intersects.
        grants: Every role held, directly or by group, at its scope.
        roles_at: Ids of the roles held at a scope, by ``UUID.int`` of the scope's id (None:
            globally), which hashes in a fraction of a UUID's time; made from ``grants``, so that a
            decision in memory costs a look-up.
        role_ids: Ids of all roles held anywhere; made from ``grants``.
    """

    kind: PrincipalKind
    user_id: UUID | None = None
    label: str = ""
    session_id: UUID | None = None
    api_token_id: UUID | None = None
    epoch: int = 0
    scopes: frozenset[str] | None = None
    grants: tuple[Grant, ...] = ()
    roles_at: Mapping[int | None, frozenset[str]] = field(init=False, repr=False, compare=False)
    role_ids: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Index the grants."""
        held: dict[int | None, frozenset[str]] = {}
        for grant in self.grants:
            place = None if grant.scope_id is None else grant.scope_id.int
            held[place] = held.get(place, frozenset()) | {grant.role_id}
        object.__setattr__(self, "roles_at", held)
        object.__setattr__(self, "role_ids", frozenset(grant.role_id for grant in self.grants))

    @classmethod
    def anonymous(cls) -> Principal:
        """Nobody: may do what is open to everyone, which is almost nothing."""
        return cls(kind=PrincipalKind.ANONYMOUS)

    @classmethod
    def system(cls, label: str) -> Principal:
        """Core or a plugin acting by itself; passes every rule and is named in the audit trail."""
        return cls(kind=PrincipalKind.SYSTEM, label=label)

    @property
    def is_system(self) -> bool:
        """Whether access rules don't apply."""
        return self.kind is PrincipalKind.SYSTEM

    @property
    def name(self) -> str:
        """A short name without personal data, for logs."""
        return self.label or (str(self.user_id) if self.user_id else self.kind.value)
