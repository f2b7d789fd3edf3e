"""The head of a push: the list of refs before the pack (gitprotocol-pack(5), "Reference Update Request")."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from computor_core.plugin_api.providers.git import RefUpdate
from computor_git_local.names import is_commit_id, is_ref_name
from computor_git_local.pktline import FLUSH, PktError, PktSplitter
from computor_git_local.request_body import BodyError, ClientLeftError

__all__ = ["PushHead", "read_push_head"]

_LARGEST = 1024 * 1024
"""Most bytes of a head; some nine thousand refs, more than any setting allows."""

_PUSHABLE = ("refs/heads/", "refs/tags/")


@dataclass(frozen=True, slots=True)
class PushHead:
    """What a push wants.

    Attributes:
        raw: All bytes read so far: the head and what of the pack came with it.
        updates: The refs that may be pushed at all: branches and tags with UTF-8 names.
        refused: Sentence by raw name, for all other refs.
        capabilities: What the client understands.
    """

    raw: bytes
    updates: tuple[RefUpdate, ...]
    refused: dict[bytes, str]
    capabilities: frozenset[str]

    @property
    def refs(self) -> int:
        """Number of refs in the push."""
        return len(self.updates) + len(self.refused)

    @property
    def has_bands(self) -> bool:
        """Whether the answer is multiplexed, so that messages can be added."""
        return not self.capabilities.isdisjoint({"side-band", "side-band-64k"})


async def read_push_head(chunks: AsyncIterator[bytes]) -> PushHead:
    """Read up to the flush packet behind the refs.

    A body of a flush packet alone is a probe that git sends before a large push; it has no refs.

    Raises:
        BodyError: The bytes aren't a push's head, or too many.
        ClientLeftError: The body ends before the head does.
    """
    splitter = PktSplitter()
    raw = bytearray()
    lines: list[bytes] = []
    async for chunk in chunks:
        raw += chunk
        try:
            for packet in splitter.feed(chunk):
                if packet == FLUSH:
                    return _parse(bytes(raw), lines)
                lines.append(packet[4:])
        except PktError as error:
            raise BodyError(400, "The request isn't a git push.") from error
        if len(raw) > _LARGEST + 65536 or sum(map(len, lines)) > _LARGEST:
            raise BodyError(413, "The push names too many refs.")
    raise ClientLeftError


def _parse(raw: bytes, lines: list[bytes]) -> PushHead:
    capabilities: frozenset[str] = frozenset()
    updates: dict[str, RefUpdate] = {}
    refused: dict[bytes, str] = {}
    first = True
    for line in lines:
        command, nul, options = line.rstrip(b"\n").partition(b"\0")
        if command.startswith(b"shallow "):
            continue
        if nul and first:
            capabilities = frozenset(options.decode("utf-8", "replace").split())
        first = False
        old, _, rest = command.partition(b" ")
        new, _, name = rest.partition(b" ")
        ids = old.decode("latin-1"), new.decode("latin-1")
        if not (is_commit_id(ids[0]) and is_commit_id(ids[1]) and name):
            raise BodyError(400, "The request isn't a git push, or a kind of push that isn't served.")
        update = _update(name, *ids)
        if isinstance(update, str):
            refused[name] = update
        else:
            updates[update.ref] = update
    return PushHead(raw, tuple(updates.values()), refused, capabilities)


def _update(name: bytes, old: str, new: str) -> RefUpdate | str:
    """The update, or the sentence why a ref of this name can't be pushed."""
    try:
        ref = name.decode("utf-8")
    except UnicodeDecodeError:
        return "The name of a branch or tag must be UTF-8."
    if not is_ref_name(ref):
        return "git doesn't allow this name."
    if ref.startswith("refs/computor/"):
        return "Refs below refs/computor belong to the server."
    if not ref.startswith(_PUSHABLE):
        return "Only branches and tags can be pushed here."
    return RefUpdate(ref, old, new)
