"""A request that is repeated under the same ``Idempotency-Key`` is carried out once.

The key is claimed at the start of the first transaction that the request opens, and becomes
visible with it: there is no moment at which the change stands and the key doesn't, or the other
way round. Requests that come at the same time wait for the claim of the first and then get its
answer. A refused request (4xx) claims nothing and may be sent again.

Answers are kept for a day. Routes whose body or answer holds a secret don't take part.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import anyio
from sqlalchemy import Select, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from computor_core.db.types import new_id
from computor_core.db.unit_of_work import unit_companion
from computor_core.errors import ComputorError, ConflictError, IdempotencyConflictError
from computor_core.model.work import IdempotencyKey
from computor_core.plugin_api.principal import Principal
from computor_fastapi_host.bodies import Answer
from computor_fastapi_host.errors import MalformedRequestError

if TYPE_CHECKING:
    from computor_core.app import Computor
    from computor_core.db.unit_of_work import UnitOfWork

__all__ = ["KEPT", "Claim", "carry_out_once", "claim_for", "key_of", "sweep"]

KEPT = timedelta(days=1)
"""How long an answer is kept."""

_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_LONGEST_ROUTE = 255
_WAIT_SECONDS = 10.0
_POLL_SECONDS = 0.05
_NO_ANSWER_YET = 0
_SYSTEM = Principal.system("host:idempotency")


def key_of(header: str | None) -> str | None:
    """The key of a request, None when it has none.

    Raises:
        MalformedRequestError: It is empty, too long or not printable ASCII.
    """
    if header is None:
        return None
    if _KEY.fullmatch(header) is None:
        raise MalformedRequestError(
            "the Idempotency-Key isn't usable",
            hint="send 1 to 255 printable ASCII characters, a UUID for example",
        )
    return header


class _TakenError(Exception):
    """Another request claimed the key; never leaves this module."""


@dataclass(slots=True)
class Claim:
    """A key on its way into the request's transaction; the unit's companion.

    Attributes:
        caller: Whose key it is: the user's, or the limited token's.
        route: Method and path.
        key: The caller's key.
        fingerprint: SHA-256 of what was asked for.
        answer: Set by the route inside its unit, so that the answer is kept in the same
            transaction; a route that knows its answer later has it kept right after.
    """

    caller: str
    route: str
    key: str
    fingerprint: str
    answer: Answer | None = None
    made: bool = False

    async def begin(self, work: UnitOfWork) -> None:
        """Claim the key in the first unit; waits for a transaction that is claiming it, too."""
        if self.made:
            return
        insert = sqlite.insert if work.is_sqlite else postgresql.insert
        statement = (
            insert(IdempotencyKey)
            .values(
                id=new_id(),
                principal=self.caller,
                route=self.route,
                key=self.key,
                body_hash=self.fingerprint,
                status=_NO_ANSWER_YET,
                headers={},
                body="",
                created_at=work.now,
                updated_at=work.now,
            )
            .on_conflict_do_nothing(index_elements=["principal", "route", "key"])
            .returning(IdempotencyKey.id)
        )
        if (await work.connection.execute(statement)).one_or_none() is None:
            raise _TakenError

    async def finish(self, work: UnitOfWork) -> None:
        """Keep the answer, where it is known."""
        if not self.made and self.answer is not None:
            await self._keep(work, self.answer)
        self.made = True

    async def keep_later(self, app: Computor, answer: Answer) -> None:
        """Keep an answer that wasn't known when the unit ended."""
        async with app.uow(_SYSTEM) as work:
            await self._keep(work, answer)

    async def drop(self, app: Computor) -> None:
        """Give the key back after a refusal."""
        async with app.uow(_SYSTEM) as work:
            await work.connection.execute(
                delete(IdempotencyKey).where(
                    IdempotencyKey.principal == self.caller,
                    IdempotencyKey.route == self.route,
                    IdempotencyKey.key == self.key,
                )
            )

    async def find(self, app: Computor) -> Answer | None:
        """The kept answer; None when nobody has claimed the key.

        Raises:
            IdempotencyConflictError: The key stands for another request, or for one whose answer
                isn't there.
        """
        with anyio.move_on_after(_WAIT_SECONDS):
            while True:
                async with app.read(_SYSTEM) as work:
                    row = (await work.connection.execute(self._row())).one_or_none()
                if row is None:
                    return None
                if row.body_hash != self.fingerprint:
                    raise IdempotencyConflictError(
                        "this Idempotency-Key was used for another request", hint="take a new key"
                    )
                if row.status != _NO_ANSWER_YET:
                    headers = {**row.headers, "idempotency-replayed": "true"}
                    return Answer(row.status, row.body.encode(), headers)
                await anyio.sleep(_POLL_SECONDS)
        raise ConflictError(
            "this request was carried out before, and its answer isn't known",
            hint="look at what became of it before sending it under a new key",
        )

    async def _keep(self, work: UnitOfWork, answer: Answer) -> None:
        await work.connection.execute(
            update(IdempotencyKey)
            .where(
                IdempotencyKey.principal == self.caller,
                IdempotencyKey.route == self.route,
                IdempotencyKey.key == self.key,
            )
            .values(status=answer.status, body=answer.body.decode(), headers=dict(answer.headers))
        )

    def _row(self) -> Select[tuple[str, int, dict[str, str], str]]:
        return select(
            IdempotencyKey.body_hash, IdempotencyKey.status, IdempotencyKey.headers, IdempotencyKey.body
        ).where(
            IdempotencyKey.principal == self.caller,
            IdempotencyKey.route == self.route,
            IdempotencyKey.key == self.key,
        )


def claim_for(principal: Principal, method: str, path: str, key: str, body: bytes) -> Claim:
    """The claim of a request.

    It belongs to the user, whose sessions may all do the same; that of a token with scopes belongs
    to that token, which must not be given an answer that another credential was allowed to see.
    """
    caller = principal.name if principal.scopes is None else f"token:{principal.api_token_id}"
    route = f"{method} {path}"
    if len(route) > _LONGEST_ROUTE:
        route = f"{method} sha256:{hashlib.sha256(path.encode()).hexdigest()}"
    return Claim(caller, route, key, hashlib.sha256(body).hexdigest())


async def carry_out_once(
    app: Computor, claim: Claim, execute: Callable[[Claim], Awaitable[Answer]]
) -> Answer:
    """Carry a request out, or give the answer that it got before.

    Args:
        app: The application.
        claim: The request's claim; the caller behind it must have been proven live.
        execute: Carries it out; opens its write units in this task.

    Raises:
        IdempotencyConflictError: The key was used for another request.
    """
    known = await claim.find(app)
    if known is not None:
        return known
    try:
        with _accompanied_by(claim):
            answer = await execute(claim)
    except _TakenError:
        known = await claim.find(app)
        if known is None:
            raise ConflictError(
                "a request under the same Idempotency-Key was refused meanwhile", hint="send it again"
            ) from None
        return known
    except ComputorError:
        if claim.made:
            await claim.drop(app)
            raise
        # What refused it may be the change of a request under the same key, a moment earlier.
        known = await claim.find(app)
        if known is None:
            raise
        return known
    if claim.made and claim.answer is None:
        await claim.keep_later(app, answer)
    return answer


@contextmanager
def _accompanied_by(claim: Claim) -> Iterator[None]:
    token = unit_companion.set(claim)
    try:
        yield
    finally:
        unit_companion.reset(token)


async def sweep(app: Computor) -> int:
    """Remove answers that have been kept long enough; returns how many."""
    async with app.uow(_SYSTEM) as work:
        old = delete(IdempotencyKey).where(IdempotencyKey.created_at < work.now - KEPT)
        return (await work.connection.execute(old)).rowcount
