"""Git hosts: where templates, references and students' repositories live."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, Protocol

from computor_core.plugin_api.providers.base import Provider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from contextlib import AbstractAsyncContextManager
    from uuid import UUID

    from computor_core.plugin_api.principal import Principal


class GitCapability(StrEnum):
    """What a git host may offer beyond the basic calls."""

    FORK = "fork"
    WEBHOOKS = "webhooks"
    SMART_HTTP = "smart_http"


class RepositoryAccess(StrEnum):
    """Rights of one user on one repository."""

    READ = "read"
    WRITE = "write"


@dataclass(frozen=True, slots=True)
class RepositoryRef:
    """A repository, as the host knows it.

    Attributes:
        external_id: The host's own stable id; all later calls use it.
        http_url: Clone address without credentials; "" when the host serves none.
        default_branch: Name of the branch that clones check out.
    """

    external_id: str
    http_url: str
    default_branch: str = "main"


@dataclass(frozen=True, slots=True)
class TreeFile:
    """A file of a tree to commit; ``mode`` is 0o100644 or 0o100755."""

    path: str
    content: bytes
    mode: int = 0o100644


@dataclass(frozen=True, slots=True)
class EnsureRepository:
    """Create a repository unless it is there.

    Attributes:
        path: Place inside the instance, ``<course path>/students/<stable id>``; unique. Segments
            of ASCII letters, digits, ``_``, ``.`` and ``-``, none of them beginning with ``.`` or
            ``-`` or ending with ``.git`` or ``.lock``.
        description: One line for people.
        fork_of: External id of the repository whose branches and tags it starts from, or None
            for empty; looked at only when the repository is created (needs ``FORK``).
    """

    path: str
    description: str
    fork_of: str | None = None


@dataclass(frozen=True, slots=True)
class CommitTree:
    """Replace a branch's whole tree by one commit, without a working copy.

    Committing the tree that is already there is no commit at all (idempotent). Paths are
    relative, of non-empty segments between ``/``, none of them ``.``, ``..`` or ``.git`` (also as
    Windows and macOS would spell it), without backslashes and control characters.

    Attributes:
        external_id: The repository.
        branch: Short branch name.
        files: The whole new tree.
        message: Commit message.
        author_name, author_email: Author and committer.
        expected_parent: Commit id the branch must be at ("" for absent), or None for don't care.
            A repetition after success is no conflict: a branch that holds just this tree, one
            commit after ``expected_parent``, is left as it is.
    """

    external_id: str
    branch: str
    files: Sequence[TreeFile]
    message: str
    author_name: str
    author_email: str
    expected_parent: str | None = None


@dataclass(frozen=True, slots=True)
class AccessChange:
    """Give or take a user's rights on a repository."""

    external_id: str
    user_id: UUID
    access: RepositoryAccess = RepositoryAccess.WRITE


@dataclass(frozen=True, slots=True)
class ReadTree:
    """Read the files under a directory at a commit.

    Attributes:
        external_id: The repository.
        commit: Full commit id.
        directory: Directory inside the tree, "" for the root.
        max_files, max_bytes: Limits; beyond them the call fails and reads no further.
    """

    external_id: str
    commit: str
    directory: str = ""
    max_files: int = 2000
    max_bytes: int = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """A file found in a tree: path below the wanted directory, mode and content.

    Links and submodules are reported with their mode (0o120000, 0o160000) and no content, so
    that the caller can refuse them by name.
    """

    path: str
    mode: int
    content: bytes


@dataclass(frozen=True, slots=True)
class RefUpdate:
    """One ref of a push; ``old`` or ``new`` is 40 zeros for created or deleted."""

    ref: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Push:
    """A push, as a git host reports it before its refs move.

    Attributes:
        instance: The git host instance.
        external_id: The repository.
        principal: Who pushes.
        updates: The refs.
        received_at: Start of the authenticated request, UTC.
    """

    instance: str
    external_id: str
    principal: Principal
    updates: tuple[RefUpdate, ...]
    received_at: datetime


@dataclass(frozen=True, slots=True)
class PushDecision:
    """What core says of a push.

    Attributes:
        push_id: To be given to ``finish``.
        refused: Sentence by ref that must not move.
    """

    push_id: str
    refused: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PushOutcome:
    """Lines that the pusher's terminal shows after the refs moved."""

    messages: tuple[str, ...] = ()


class PushReceiver(Protocol):
    """Core's door for git hosts, reached as ``AppContext.services.pushes``.

    ``begin`` writes a push intent for each submitting ref before the ref moves; ``finish``
    completes it. When the process dies in between, a sweeper asks the host where the ref stands
    and completes or discards the intent, so an accepted push is never lost.
    """

    async def access(self, principal: Principal, instance: str, external_id: str) -> RepositoryAccess | None:
        """Rights of a principal on a repository that core knows; None for none at all."""
        ...

    async def begin(self, push: Push) -> PushDecision:
        """Decide on a push and write its intents."""
        ...

    async def finish(self, push_id: str, moved: frozenset[str]) -> PushOutcome:
        """Complete the push; ``moved`` names the refs that really moved."""
        ...


class GitHost(Provider):
    """Contract of a git host. All calls are idempotent: repeating one changes nothing."""

    seam: ClassVar[str] = "git"

    @property
    def longest_push(self) -> timedelta:
        """Longest time between ``begin`` and the last moment at which its refs can still move.

        Core's sweeper leaves younger intents alone: a slow upload isn't an abandoned push.
        Opening an instance ends the pushes that an earlier process of it left under way, so
        right after a start no older push can move a ref any more.
        """
        return timedelta(hours=2)

    async def ensure_repository(self, request: EnsureRepository) -> RepositoryRef:
        """Create the repository unless it is there, and return it.

        Repetitions, also parallel ones, return the same repository and touch nothing in it. A
        fork has the history of that moment; afterwards neither sees the other's changes.

        Raises:
            ProviderConflictError: The path is taken by something else.
            ProviderInvalidError: The path isn't allowed.
            ProviderNotFoundError: There is no repository ``fork_of``.
            CapabilityNotSupportedError: ``fork_of`` without the capability ``FORK``.
        """
        raise NotImplementedError

    async def commit_tree(self, request: CommitTree) -> str:
        """Commit and return the commit id the branch is at.

        Raises:
            ProviderNotFoundError: No such repository.
            ProviderConflictError: The branch isn't at ``expected_parent``.
            ProviderInvalidError: A path isn't allowed, stands twice or is both a file and a
                directory; a mode isn't one of the two; the branch's name isn't allowed. Nothing
                was committed.
        """
        raise NotImplementedError

    async def grant(self, request: AccessChange) -> None:
        """Give a user rights on a repository.

        A host that asks :meth:`PushReceiver.access` at every request keeps nothing.

        Raises:
            ProviderNotFoundError: No such repository.
        """
        raise NotImplementedError

    async def revoke(self, request: AccessChange) -> None:
        """Take a user's rights on a repository, whatever ``access`` says.

        Raises:
            ProviderNotFoundError: No such repository.
        """
        raise NotImplementedError

    async def protect_branch(self, external_id: str, branch: str) -> None:
        """Refuse force pushes and deletion of a branch, which need not exist yet.

        Raises:
            ProviderNotFoundError: No such repository.
            ProviderInvalidError: The branch's name isn't allowed.
        """
        raise NotImplementedError

    async def resolve(self, external_id: str, ref: str) -> str | None:
        """Commit id that a full ref name points at, or None; an annotated tag is followed.

        Raises:
            ProviderNotFoundError: No such repository.
        """
        raise NotImplementedError

    async def keep(self, external_id: str, commit: str, name: str) -> None:
        """Hold a commit under a ref that only the server sees, safe from force pushes and gc.

        Raises:
            ProviderNotFoundError: No such repository or commit.
            ProviderConflictError: The name holds another commit, which is never let go.
            ProviderInvalidError: The name isn't ``[A-Za-z0-9_-]{1,100}``.
        """
        raise NotImplementedError

    def read_tree(self, request: ReadTree) -> AbstractAsyncContextManager[AsyncIterator[TreeEntry]]:
        """Stream a directory's files at a commit; every error comes on entering, before any content.

        Raises:
            ProviderNotFoundError: No such repository, commit or directory.
            ProviderInvalidError: The directory isn't a clean relative path, or a file's name in
                it isn't UTF-8.
            PayloadTooLargeError: More files or bytes than allowed.
        """
        raise NotImplementedError

    async def delete_repository(self, external_id: str) -> bool:
        """Remove a repository with everything kept in it; False when there was none."""
        raise NotImplementedError
