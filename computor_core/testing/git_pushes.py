"""Core's side of git hosts as a fake: tokens, rights and a journal of pushes."""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from computor_core.plugin_api.errors import AuthenticationError
from computor_core.plugin_api.principal import Principal, PrincipalKind
from computor_core.plugin_api.providers.git import Push, PushDecision, PushOutcome, RepositoryAccess

if TYPE_CHECKING:
    from computor_core.plugin_api.db import ReadUnit, UnitOfWork

__all__ = ["FakeCore", "FakePushes"]


@dataclass(slots=True)
class FakePushes:
    """A :class:`~computor_core.plugin_api.providers.git.PushReceiver` that a test steers and reads.

    Attributes:
        rights: Access by user and repository; nothing for all others.
        refused: Sentence by ref that every ``begin`` refuses.
        messages: What every ``finish`` answers.
        on_begin, on_finish: Called before the answer; may look around, raise or kill the process.
        begun: Pushes by id, in order.
        finished: Refs that moved, by push id.
        journal: File to which begun and finished pushes are also written, a JSON line each,
            synced to the disk; what another process reads after this one was killed.
    """

    rights: dict[tuple[UUID, str], RepositoryAccess] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    messages: tuple[str, ...] = ()
    on_begin: Callable[[Push], Awaitable[None]] | None = None
    on_finish: Callable[[str, frozenset[str]], Awaitable[None]] | None = None
    begun: dict[str, Push] = field(default_factory=dict)
    finished: dict[str, frozenset[str]] = field(default_factory=dict)
    journal: Path | None = None

    async def access(self, principal: Principal, instance: str, external_id: str) -> RepositoryAccess | None:
        """Look the right up."""
        return None if principal.user_id is None else self.rights.get((principal.user_id, external_id))

    async def begin(self, push: Push) -> PushDecision:
        """Note the push, then decide."""
        if self.on_begin is not None:
            await self.on_begin(push)
        push_id = f"push-{len(self.begun) + 1}"
        self.begun[push_id] = push
        self._note({"begun": push_id, "updates": [[u.ref, u.old, u.new] for u in push.updates]})
        wanted = {update.ref for update in push.updates}
        return PushDecision(push_id, {ref: text for ref, text in self.refused.items() if ref in wanted})

    async def finish(self, push_id: str, moved: frozenset[str]) -> PushOutcome:
        """Note what moved."""
        if self.on_finish is not None:
            await self.on_finish(push_id, moved)
        self.finished[push_id] = moved
        self._note({"finished": push_id, "moved": sorted(moved)})
        return PushOutcome(self.messages)

    def _note(self, line: Mapping[str, object]) -> None:
        if self.journal is None:
            return
        with self.journal.open("a") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())


@dataclass(slots=True)
class FakeCore:
    """A :class:`~computor_core.plugin_api.services.CoreServices` for tests of git hosts.

    Attributes:
        tokens: Users by bearer token.
        pushes: The door for pushes.
    """

    tokens: dict[str, UUID] = field(default_factory=dict)
    pushes: FakePushes = field(default_factory=FakePushes)

    async def authenticate(self, token: str) -> Principal:
        """Look the token up."""
        user = self.tokens.get(token)
        if user is None:
            raise AuthenticationError("No such token.")
        return Principal(kind=PrincipalKind.USER, user_id=user)

    def uow(self, principal: Principal) -> AbstractAsyncContextManager[UnitOfWork]:
        """There is no database behind the fake."""
        raise AssertionError("a git host opens no unit of work")

    def read(self, principal: Principal) -> AbstractAsyncContextManager[ReadUnit]:
        """There is no database behind the fake."""
        raise AssertionError("a git host opens no read unit")
