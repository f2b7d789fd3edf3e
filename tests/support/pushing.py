"""A member's repository on the real git host, and pushes taken apart into their steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
from sqlalchemy import select

from computor_core.model import MemberRepository, PushIntent
from computor_core.plugin_api.providers.git import (
    EnsureRepository,
    GitHost,
    Push,
    PushDecision,
    RefUpdate,
    RepositoryRef,
    TreeEntry,
)
from computor_core.testing.git_client import CommandGitClient, GitUser
from tests.support.deployment import Classroom, Deployment, Person

ZEROS = "0" * 40


@dataclass
class Clone:
    """A member's repository with its owner's side of it.

    Attributes:
        site: The deployment.
        owner: Whose it is.
        repository: As the host knows it.
        folder: Scratch space.
    """

    site: Deployment
    owner: Person
    repository: RepositoryRef
    folder: Path

    @property
    def host(self) -> GitHost:
        return self.site.app.providers.get(GitHost, "default")

    @property
    def bare(self) -> Path:
        """The repository's folder."""
        root = self.site.app.settings.data_dir / "git" / "default" / "repositories"
        return root / f"{self.repository.external_id}.git"

    async def commit(
        self, files: Mapping[str, bytes] | Sequence[TreeEntry], parent: str | None = None
    ) -> str:
        """A commit of a whole tree that no submitting ref points at yet."""
        entries = (
            [TreeEntry(path, 0o100644, content) for path, content in files.items()]
            if isinstance(files, Mapping)
            else files
        )
        client = CommandGitClient(lambda _repository: str(self.bare), self.folder, _nothing)
        return await client.push(self.repository, "scratch", entries, parent=parent, force=True)

    async def move(self, ref: str, new: str) -> None:
        """Move a ref as git does after the push was allowed."""
        await GitUser(self.folder).must("-C", str(self.bare), "update-ref", ref, new)

    def push(self, updates: Mapping[str, str], *, person: Person | None = None, **changes: Any) -> Push:
        """A push of commits to the submitting refs of directories, as the host reports it."""
        return Push(
            instance="default",
            external_id=self.repository.external_id,
            principal=(person or self.owner).principal,
            updates=tuple(
                RefUpdate(submit(directory), ZEROS, commit) for directory, commit in updates.items()
            ),
            received_at=changes.get("received_at", self.site.clock.now()),
        )

    async def begin(self, updates: Mapping[str, str], **changes: Any) -> PushDecision:
        return await self.site.app.services.pushes.begin(self.push(updates, **changes))

    async def intents(self) -> list[Any]:
        """The repository's intents, in order."""
        statement = (
            select(PushIntent.__table__)
            .join(MemberRepository.__table__, MemberRepository.id == PushIntent.member_repository_id)
            .where(MemberRepository.external_id == self.repository.external_id)
        )
        return await self.site.rows(statement.order_by(PushIntent.id))

    async def states(self) -> list[str]:
        return [row.state for row in await self.intents()]


def submit(directory: str) -> str:
    """The ref that submits a directory."""
    return f"refs/heads/submit/{directory}"


async def clone_of(room: Classroom, person: Person, folder: Path) -> Clone:
    """A repository for a member, with an empty folder for its owner's side."""
    await anyio.Path(folder).mkdir(parents=True, exist_ok=True)
    host = room.site.app.providers.get(GitHost, "default")
    path = f"{room.course.slug}/students/{person.member.id}"
    repository = await host.ensure_repository(EnsureRepository(path, "student"))
    await room.site.world.add(
        MemberRepository(
            course_id=room.course.id,
            course_member_id=person.member.id,
            git_instance="default",
            external_id=repository.external_id,
            http_url=repository.http_url,
        )
    )
    return Clone(room.site, person, repository, folder)


async def _nothing(_repository: RepositoryRef) -> None:
    """These repositories don't collect garbage."""
