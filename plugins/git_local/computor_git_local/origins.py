"""What a fork starts from: one pack per state of its source, made once and linked into every fork.

A thousand students' repositories cost one packing and a thousand times two hard links. The pack
holds only what branches and tags reach, so nothing that was once pushed and taken back, and no
kept commit, gets into a fork.
"""

from __future__ import annotations

import hashlib
import secrets
import shutil
import time
from pathlib import Path

from anyio import to_thread

from computor_git_local.process import Git
from computor_git_local.repositories import Origin, default_branch_of, sync_folder

__all__ = ["read_origin"]

_ABANDONED = 3600.0
"""Seconds after which a pack that is still being made belongs to a process that died."""


async def read_origin(git: Git, source: Path) -> Origin:
    """The source's branches and tags of this moment, and the pack with their history.

    Raises:
        ProviderNotFoundError: The source was deleted meanwhile.
        ProviderUnavailableError: git failed.
    """
    listed = await git.run(
        source, "for-each-ref", "--format=%(objectname) %(refname)", "refs/heads", "refs/tags"
    )
    refs = tuple(listed.output.decode("utf-8", "surrogateescape").splitlines())
    branch = await to_thread.run_sync(default_branch_of, source)
    if not refs:
        return Origin((), None, branch)
    pack = source / "origins" / hashlib.sha256(listed.output).hexdigest()[:32]
    if not await to_thread.run_sync(pack.is_dir):
        await _make_pack(git, source, pack, refs)
    return Origin(refs, pack, branch)


async def _make_pack(git: Git, source: Path, pack: Path, refs: tuple[str, ...]) -> None:
    staged = source / "origins" / f".{secrets.token_hex(8)}"
    await to_thread.run_sync(lambda: staged.mkdir(mode=0o700, parents=True))
    ids = "".join(f"{ref.partition(' ')[0]}\n" for ref in refs).encode()
    try:
        await git.run(
            source, "pack-objects", "--revs", "--quiet", "--delta-base-offset", str(staged / "pack"), data=ids
        )
        await to_thread.run_sync(_publish, staged, pack)
    finally:
        await to_thread.run_sync(lambda: shutil.rmtree(staged, ignore_errors=True))


def _publish(staged: Path, pack: Path) -> None:
    """Rename the complete pack into place and remove those of earlier states."""
    sync_folder(staged)
    try:
        staged.rename(pack)
    except OSError:
        if not pack.is_dir():
            raise
    limit = time.time() - _ABANDONED
    for other in pack.parent.iterdir():
        if other != pack and (not other.name.startswith(".") or other.stat().st_mtime < limit):
            shutil.rmtree(other, ignore_errors=True)
