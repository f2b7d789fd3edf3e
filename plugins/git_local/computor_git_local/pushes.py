"""Serving pushes: core decides before any ref moves and completes after they did."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import anyio
from anyio import to_thread
from anyio.abc import Process

from computor_core.plugin_api.errors import ComputorError
from computor_core.plugin_api.principal import Principal
from computor_core.plugin_api.providers.git import Push, PushDecision, PushOutcome
from computor_git_local.host import LocalGitHost
from computor_git_local.names import ZERO_ID
from computor_git_local.pktline import FLUSH, PktSplitter, band_lines
from computor_git_local.push_gate import PushGate, Verdict
from computor_git_local.push_head import PushHead, read_push_head
from computor_git_local.request_body import BodyError, ClientLeftError, RequestBody
from computor_git_local.responses import Response
from computor_git_local.transfers import IdleWatch, drain_errors, feed

__all__ = ["PushRequest", "receive_pack"]

_RESULT = "application/x-git-receive-pack-result"
_FINISH_TIMEOUT = 30.0
_HELD = 256 * 1024
"""Bytes of git's answer that wait for the end of the request, so that a body that turns out too
large can still be answered with its own status."""


@dataclass(frozen=True, slots=True)
class PushRequest:
    """An authenticated push.

    Attributes:
        host: The host.
        repository: Folder of the repository.
        external_id: Its id.
        principal: Who pushes.
        received_at: Start of the authenticated request.
    """

    host: LocalGitHost
    repository: Path
    external_id: str
    principal: Principal
    received_at: datetime


async def receive_pack(request: PushRequest, body: RequestBody, response: Response) -> None:
    """Answer ``POST …/git-receive-pack``.

    Once core has begun the push it is always told how it ended: when the client leaves, when a
    limit is hit, when the request is cancelled. Only the death of the process leaves a begun
    push, which core's sweeper completes from where the refs stand.

    Raises:
        BodyError: The request isn't a push that is served.
        ClientLeftError: The request breaks off before it says what it wants.
    """
    async with aclosing(body.chunks()) as chunks:
        head = await read_push_head(chunks)
        if not head.refs:  # git's probe before a large push
            await response.start(_RESULT)
            await response.end()
            return
        push = _Running(request, head, response)
        with anyio.CancelScope(shield=True):
            await push.decide()
        try:
            await push.run(chunks)
        finally:
            with anyio.CancelScope(shield=True):
                await push.complete()
        await push.answer()
    if push.moved:
        await request.host.repack(request.repository)


class _Running:
    """One push from its decision to its answer."""

    def __init__(self, request: PushRequest, head: PushHead, response: Response) -> None:
        self._request = request
        self._host = request.host
        self._head = head
        self._response = response
        self._gate = PushGate(request.host.gates.folder)
        self._decision: PushDecision | None = None
        self._refuse_all: str | None = None
        self._messages: list[str] = []
        self._failure: BodyError | None = None
        self._raised: Exception | None = None
        self._status: int | None = None
        self._fed = anyio.Event()
        self._bands = PktSplitter() if head.has_bands else None
        self._held = bytearray()
        self.moved: frozenset[str] = frozenset()

    async def decide(self) -> None:
        """Check our own limits, then ask core; core writes its intents now."""
        host, request, head = self._host, self._request, self._head
        self._refuse_all = await self._over_limit()
        if self._refuse_all is None and head.updates:
            push = Push(
                instance=host.context.instance,
                external_id=request.external_id,
                principal=request.principal,
                updates=head.updates,
                received_at=request.received_at,
            )
            try:
                self._decision = await host.context.services.pushes.begin(push)
            except ComputorError as error:
                self._refuse_all = error.message if error.hint is None else f"{error.message} {error.hint}"

    async def _over_limit(self) -> str | None:
        settings = self._host.settings
        if self._head.refs > settings.max_refs_per_push:
            return (
                f"This push has {self._head.refs} branches and tags; "
                f"at most {settings.max_refs_per_push} are allowed."
            )
        if await self._host.size(self._request.repository) >= settings.max_repository_bytes:
            return f"The repository has reached its size limit of {int(settings.max_repository_bytes)} bytes."
        return None

    async def run(self, chunks: AsyncGenerator[bytes, None]) -> None:
        """Let git receive the pack and move the refs that the hooks let pass."""
        host, repository = self._host, self._request.repository
        refused_by_core = {} if self._decision is None else self._decision.refused
        refs = [update.ref for update in self._head.updates]
        await host.clear_leftovers(repository, refs)
        verdict = Verdict(
            allowed=[ref for ref in refs if ref not in refused_by_core],
            refused=self._head.refused | {ref.encode(): text for ref, text in refused_by_core.items()},
            refuse_all=self._refuse_all,
            protected=await host.protected(repository),
        )
        await to_thread.run_sync(self._gate.open, verdict)
        errors = bytearray()
        watch = IdleWatch(host.settings.idle_timeout_seconds, host.settings.transfer_timeout_seconds)
        command = ["receive-pack", "--stateless-rpc", str(repository)]
        extra = {"COMPUTOR_GIT_PUSH": str(self._gate.folder)}
        with watch.scope:
            async with (
                host.git.stream(repository, *command, extra=extra, may_finish=True) as process,
                anyio.create_task_group() as group,
            ):
                group.start_soon(self._feed, process, chunks, watch)
                group.start_soon(drain_errors, process, errors)
                await self._relay(process, watch)
                self._status = await process.wait()
                await self._fed.wait()  # git may have refused early; clients send on before they listen
                group.cancel_scope.cancel()
        if watch.scope.cancelled_caught:
            self._failure = BodyError(504, "The push took too long.")
        if self._status:
            text = errors.decode("utf-8", "replace").strip()
            host.context.log.warning("git receive-pack ended with %s: %s", self._status, text)

    async def _feed(self, process: Process, chunks: AsyncGenerator[bytes, None], watch: IdleWatch) -> None:
        """Give git the request; when it breaks off, git sees the end and moves nothing."""
        assert process.stdin is not None  # noqa: S101 - opened with a pipe
        try:
            await feed(process, self._head.raw)
            async for chunk in chunks:
                watch.touch()
                await feed(process, chunk)  # git may have refused already: the rest is read and dropped
        except BodyError as error:
            self._failure = error
        except ClientLeftError:
            self._failure = BodyError(408, "The push broke off.")
        except Exception as error:  # noqa: BLE001 - the host application's; raised again by answer()
            self._raised = error
        self._fed.set()
        await process.stdin.aclose()

    async def _relay(self, process: Process, watch: IdleWatch) -> None:
        """Pass git's answer on, except for its last packet, before which messages may come."""
        assert process.stdout is not None  # noqa: S101 - opened with a pipe
        async for data in process.stdout:
            watch.touch()
            if self._bands is None:
                self._held += data
            else:
                self._held += b"".join(packet for packet in self._bands.feed(data) if packet != FLUSH)
            if (self._fed.is_set() and not (self._failure or self._raised)) or len(self._held) > _HELD:
                await self._pass_on()

    async def _pass_on(self) -> None:
        if not self._response.started:
            await self._response.start(_RESULT)
        await self._response.write(bytes(self._held))
        self._held.clear()

    async def complete(self) -> None:
        """Find out which refs moved and tell core.

        When that can't be found out, core isn't told anything: its sweeper looks later.
        """
        self.moved = await to_thread.run_sync(self._gate.moved)
        if self._status != 0:
            self.moved |= await self._standing()
        await to_thread.run_sync(self._gate.close)
        if self._decision is not None:
            await self._finish(self._decision.push_id)

    async def _standing(self) -> frozenset[str]:
        """Refs that stand where the push wanted them, for a git that died before it could say so."""
        refused = {} if self._decision is None else self._decision.refused
        wanted = [update for update in self._head.updates if update.ref not in refused]
        found = await self._host.git.inspect(self._request.repository, [update.ref for update in wanted])
        return frozenset(
            update.ref
            for update, info in zip(wanted, found, strict=True)
            if (info.id if info else ZERO_ID) == update.new != update.old
        )

    async def _finish(self, push_id: str) -> None:
        log = self._host.context.log
        outcome = PushOutcome(("The push is stored. The server is still working on what follows from it.",))
        try:
            with anyio.fail_after(_FINISH_TIMEOUT):
                outcome = await self._host.context.services.pushes.finish(push_id, self.moved)
        except TimeoutError:
            log.error("completing push %s took too long; core's sweeper completes it", push_id)
        except ComputorError:
            log.exception("completing push %s failed; core's sweeper completes it", push_id)
        self._messages = list(outcome.messages)

    async def answer(self) -> None:
        """Send the rest of git's answer, core's messages and the end.

        Raises:
            Exception: What the host application's own ``receive`` raised (a limit of its own).
        """
        if self._raised is not None:
            raise self._raised
        if self._failure is None and self._status and not self._response.started and not self._held:
            self._failure = BodyError(503, "The server's git failed.")
        if self._failure is not None and not self._response.started:
            await self._response.text(self._failure.status, self._failure.message)
            return
        if self._bands is not None:
            for packet in band_lines(self._messages):
                self._held += packet
            self._held += FLUSH
        await self._pass_on()
        await self._response.end()
