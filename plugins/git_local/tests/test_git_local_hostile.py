"""Repositories and pushes that are made to do harm."""

import asyncio
import hashlib
import os
import stat
import zlib
from pathlib import Path
from typing import Any

import pytest
from computor_git_local.host import LocalGitHost

from computor_core.plugin_api.errors import PayloadTooLargeError, ProviderInvalidError
from computor_core.plugin_api.providers.git import (
    CommitTree,
    EnsureRepository,
    ReadTree,
    RepositoryRef,
    TreeEntry,
    TreeFile,
)
from computor_core.testing.git_client import GitUser
from computor_core.testing.git_pushes import FakeCore

_ZERO = "0" * 40


async def _read(host: LocalGitHost, request: ReadTree) -> list[TreeEntry]:
    async with host.read_tree(request) as entries:
        return [entry async for entry in entries]


async def test_attributes_filters_and_hooks_of_a_repository_run_nothing(
    host: LocalGitHost, repository: RepositoryRef, student: GitUser, tmp_path: Path
) -> None:
    """Nothing is checked out or archived, so content comes back as it was committed."""
    await student.start(repository)
    touched = tmp_path / "touched"
    await student.must("config", "filter.evil.clean", "cat")
    await student.must("config", "filter.evil.smudge", f"touch {touched}; cat")
    (student.folder / ".gitattributes").write_text("* filter=evil ident export-subst diff=evil merge=evil\n")
    (student.folder / ".gitmodules").write_text(
        '[submodule "x"]\n\tpath = x\n\turl = https://example.org/x\n'
    )
    commit = await student.commit("$Id$ $Format:%H$ \r\n", "ident.txt")
    touched.unlink(missing_ok=True)
    await student.must("push", "origin", "main")
    read = {
        entry.path: entry.content for entry in await _read(host, ReadTree(repository.external_id, commit))
    }
    assert read["ident.txt"] == b"$Id$ $Format:%H$ \r\n"
    assert not touched.exists()


async def test_the_machines_configuration_does_not_count(
    host: LocalGitHost,
    repository: RepositoryRef,
    student: GitUser,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    evil = tmp_path / "evil"
    evil.mkdir()
    touched = tmp_path / "touched"
    (evil / "pre-receive").write_text(f"#!/bin/sh\ntouch {touched}\nexit 1\n")
    (evil / "pre-receive").chmod(0o755)
    (evil / ".gitconfig").write_text(f"[core]\n\thooksPath = {evil}\n[receive]\n\tdenyDeletes = true\n")
    monkeypatch.setenv("HOME", str(evil))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(evil))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(evil / ".gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", f"'core.hooksPath={evil}'")
    monkeypatch.setenv("GIT_DIR", str(evil))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(evil))
    await student.start(repository)
    await student.must("push", "origin", "main")
    assert not touched.exists()
    assert await host.resolve(repository.external_id, "refs/heads/main")


async def test_a_hook_sees_no_credential(
    host: LocalGitHost,
    repository: RepositoryRef,
    student: GitUser,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("COMPUTOR_DATABASE__URL", "postgresql://user:secret@db/computor")
    (hooks,) = (host.repositories.root / "hooks").iterdir()
    seen = tmp_path / "seen"
    hook = hooks / "post-receive"
    hook.chmod(0o700)
    hook.write_text(hook.read_text().replace("exec cat", f"env >{seen}; cat"))
    await student.start(repository)
    await student.must("push", "origin", "main")
    environment = seen.read_text()
    assert "COMPUTOR_GIT_PUSH=" in environment
    assert "secret" not in environment
    assert student.token not in environment
    assert "AUTHORIZATION" not in environment.upper()


async def test_a_push_past_the_service_is_refused(
    host: LocalGitHost, repository: RepositoryRef, student: GitUser
) -> None:
    """Without the service's word the hooks let nothing pass, should git ever be run without it."""
    await student.start(repository)
    folder = await host.find(repository.external_id)
    (hooks,) = (host.repositories.root / "hooks").iterdir()
    ran = await student.git("-c", "core.hooksPath=/nonexistent", "push", str(folder), "main:direct")
    assert ran.status == 0  # git in somebody else's hands doesn't know our hooks ...
    await student.must("push", str(folder), ":direct")
    await student.must("-C", str(folder), "config", "core.hooksPath", str(hooks))
    ran = await student.git("push", str(folder), "main:direct")
    assert ran.status != 0  # ... and ours refuse
    assert "go through Computor's address" in ran.messages


async def _hash(student: GitUser, kind: str, content: bytes) -> str:
    return await student.must("hash-object", "-t", kind, "-w", "--literally", "--stdin", data=content)


async def _commit_of(student: GitUser, tree: str) -> str:
    return await student.must("commit-tree", tree, "-m", "hostile")


@pytest.mark.parametrize(
    "name",
    [b".git", b"..", b".", b".GIT", b"a/b", b".git\xe2\x80\x8c"],
    ids=["dot-git", "parent", "itself", "upper", "slash", "hfs"],
)
async def test_a_tree_that_attacks_its_reader_is_not_accepted(
    host: LocalGitHost, repository: RepositoryRef, student: GitUser, core: FakeCore, raw: Any, name: bytes
) -> None:
    await student.start(repository)
    blob = await _hash(student, "blob", b"evil")
    tree = await _hash(student, "tree", b"100644 " + name + b"\0" + bytes.fromhex(blob))
    commit = await _commit_of(student, tree)
    body = raw.head([(_ZERO, commit, "refs/heads/main")], "report-status") + await raw.pack(student, commit)
    answer = await raw.post(repository, body)
    assert b"ng refs/heads/main" in answer.content
    assert await host.resolve(repository.external_id, "refs/heads/main") is None
    assert core.pushes.finished == {"push-1": frozenset()}


@pytest.mark.parametrize("leaf", ["file", "nothing"])
async def test_a_tree_bomb_meets_the_limit(
    host: LocalGitHost, repository: RepositoryRef, student: GitUser, leaf: str
) -> None:
    """Ten levels of ten names for one subtree: ten thousand million paths in eleven objects."""
    await student.start(repository)
    if leaf == "file":
        blob = await _hash(student, "blob", b"")
        tree = await _hash(student, "tree", b"100644 f\0" + bytes.fromhex(blob))
    else:
        tree = await _hash(student, "tree", b"")
    for _ in range(10):
        entries = b"".join(b"40000 d%d\0" % number + bytes.fromhex(tree) for number in range(10))
        tree = await _hash(student, "tree", entries)
    commit = await _commit_of(student, tree)
    await student.must("push", "origin", f"{commit}:refs/heads/bomb")
    with pytest.raises(PayloadTooLargeError):
        await asyncio.wait_for(_read(host, ReadTree(repository.external_id, commit)), 30)


async def test_an_object_larger_than_allowed_is_never_read(
    host: LocalGitHost, repository: RepositoryRef, student: GitUser
) -> None:
    """300 megabytes of zeros are a push of 300 kilobytes."""
    await student.start(repository)
    with (student.folder / "zeros").open("wb") as file:
        file.truncate(300 * 1024 * 1024)
    commit = await student.commit("zeros")
    await student.must("push", "origin", "main")
    with pytest.raises(PayloadTooLargeError):
        await _read(host, ReadTree(repository.external_id, commit))


async def test_a_path_longer_than_any_system_takes_is_refused(
    host: LocalGitHost, repository: RepositoryRef, student: GitUser
) -> None:
    await student.start(repository)
    blob = await _hash(student, "blob", b"x")
    tree = await _hash(student, "tree", b"100644 " + b"n" * 200 + b"\0" + bytes.fromhex(blob))
    for _ in range(40):
        tree = await _hash(student, "tree", b"40000 " + b"d" * 200 + b"\0" + bytes.fromhex(tree))
    commit = await _commit_of(student, tree)
    await student.must("push", "origin", f"{commit}:refs/heads/long")
    with pytest.raises(PayloadTooLargeError, match="longer than 4096"):
        await _read(host, ReadTree(repository.external_id, commit))


async def test_a_file_name_that_is_not_utf8_is_named_and_refused(
    host: LocalGitHost, repository: RepositoryRef, student: GitUser
) -> None:
    await student.start(repository)
    blob = await _hash(student, "blob", b"x")
    tree = await _hash(student, "tree", b"100644 l\xf6sung.py\0" + bytes.fromhex(blob))
    commit = await _commit_of(student, tree)
    await student.must("push", "origin", f"{commit}:refs/heads/latin")
    with pytest.raises(ProviderInvalidError) as caught:
        await _read(host, ReadTree(repository.external_id, commit))
    assert caught.value.details == {"path": r"l\xf6sung.py"}


async def test_a_fork_has_nothing_that_its_source_hides(
    host: LocalGitHost, repository: RepositoryRef, student: GitUser
) -> None:
    """A tree that was released by mistake and taken back isn't in any repository made later."""
    await student.start(repository)
    await student.must("push", "origin", "main")
    good = await student.must("rev-parse", "HEAD")
    secret = await student.commit("assert solve() == 42", "tests/hidden.py")
    await student.must("push", "origin", "main")
    await host.keep(repository.external_id, secret, "mistake")
    await student.must("push", "--force", "origin", f"{good}:main")
    fork = await host.ensure_repository(
        EnsureRepository("course/students/two", "Two", repository.external_id)
    )
    folder = await host.find(fork.external_id)
    found = await host.git.inspect(folder, [good, secret])
    assert found[0] is not None
    assert found[1] is None


async def test_forks_share_one_pack_and_survive_its_rewriting(host: LocalGitHost) -> None:
    template = await host.ensure_repository(EnsureRepository("course/template", "Template"))
    files = [TreeFile(f"{number}.txt", os.urandom(1000)) for number in range(20)]
    commit = CommitTree(template.external_id, "main", files, "m", "Kit", "kit@example.org")
    head = await host.commit_tree(commit)
    forks = [
        await host.ensure_repository(EnsureRepository(f"course/students/{number}", "S", template.external_id))
        for number in range(3)
    ]
    packs = [next((await host.find(fork.external_id)).glob("objects/pack/*.pack")).stat() for fork in forks]
    assert len({pack.st_ino for pack in packs}) == 1
    second = await host.commit_tree(
        CommitTree(template.external_id, "main", files[:5], "m", "Kit", "k@example.org")
    )
    later = await host.ensure_repository(EnsureRepository("course/students/later", "S", template.external_id))
    origins = list((await host.find(template.external_id)).glob("origins/*"))
    assert len(origins) == 1
    assert await host.resolve(later.external_id, "refs/heads/main") == second
    for fork in forks:
        folder = await host.find(fork.external_id)
        await host.git.run(folder, "fsck", "--full", "--strict")
        assert len(await _read(host, ReadTree(fork.external_id, head))) == 20


async def test_repositories_are_the_owners_alone(
    host: LocalGitHost, repository: RepositoryRef, student: GitUser
) -> None:
    previous = os.umask(0)
    try:
        await student.start(repository)
        await student.must("push", "origin", "main")
    finally:
        os.umask(previous)
    root = host.repositories.root
    assert stat.S_IMODE(root.stat().st_mode) == 0o700
    folder = await host.find(repository.external_id)
    shown = {path for path in folder.rglob("*") if path.stat().st_mode & 0o077}
    assert {path for path in shown if path.is_file()} == set()


def _pack_of_deltas(copies: int) -> bytes:
    """A pack of some kilobytes whose second blob is ``copies`` times 16 MiB of zeros."""
    base = bytes(0x1000000)

    def header(kind: int, size: int) -> bytes:
        first, size = size & 0x0F, size >> 4
        made = bytearray([kind << 4 | first])
        while size:
            made[-1] |= 0x80
            made.append(size & 0x7F)
            size >>= 7
        return bytes(made)

    def varint(number: int) -> bytes:
        made = bytearray()
        while True:
            made.append(number & 0x7F | (0x80 if number > 0x7F else 0))
            number >>= 7
            if not number:
                return bytes(made)

    name = hashlib.sha1(b"blob %d\0" % len(base) + base, usedforsecurity=False).digest()
    delta = varint(len(base)) + varint(0xFFFFFF * copies) + b"\xf0\xff\xff\xff" * copies
    pack = b"PACK" + (2).to_bytes(4, "big") + (2).to_bytes(4, "big")
    pack += header(3, len(base)) + zlib.compress(base)
    pack += header(7, len(delta)) + name + zlib.compress(delta)
    return pack + hashlib.sha1(pack, usedforsecurity=False).digest()


async def test_a_delta_bomb_meets_the_memory_limit(
    host: LocalGitHost, repository: RepositoryRef, core: FakeCore, raw: Any
) -> None:
    if not host.git.confined:
        pytest.skip("this system's shell has no 'ulimit -v'")
    head = raw.head([(_ZERO, "1" * 40, "refs/heads/main")], "report-status")
    bearable, bomb = _pack_of_deltas(copies=2), _pack_of_deltas(copies=200)
    assert len(bomb) < 100_000
    # Both lack the commit they announce; only the bomb (three gigabytes) can't even be unpacked.
    answer = await raw.post(repository, head + bearable)
    assert b"unpack ok" in answer.content
    answer = await raw.post(repository, head + bomb)
    assert b"unpack ok" not in answer.content
    assert b"ng refs/heads/main unpacker error" in answer.content
    assert core.pushes.finished == {"push-1": frozenset(), "push-2": frozenset()}
