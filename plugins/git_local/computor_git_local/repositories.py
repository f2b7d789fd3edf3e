"""The bare repositories on disk: made whole or not at all, found by path, removed, swept.

The functions block; the host calls them in worker threads. Layout of the instance's folder::

    repositories/<path>.git/   the repositories
    staging/<random>/          repositories being made, renamed into place when complete
    trash/<random>/            repositories being removed, renamed out of place first
    pushes/<process>/<push>/   what a push may do and did, read and written by the hooks
    hooks/  home/              our hooks; an empty HOME
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from computor_core.plugin_api.errors import (
    ProviderConflictError,
    ProviderInvalidError,
    ProviderNotFoundError,
)
from computor_git_local.names import check_repository_path, is_ref_name

__all__ = [
    "Origin",
    "OriginGoneError",
    "Repositories",
    "default_branch_of",
    "protect",
    "protected_refs",
    "remove_leftovers",
    "size_on_disk",
    "sync_folder",
]

_CONFIG = """\
[core]
\trepositoryformatversion = 0
\tfilemode = true
\tbare = true
"""
_FOLDERS = ("objects/info", "objects/pack", "refs/heads", "refs/tags", "protected")


class OriginGoneError(Exception):
    """A fork's origin was replaced by a newer one while it was copied."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The history that a fork starts from.

    Attributes:
        refs: Branches and tags as lines of a packed-refs file.
        pack: Folder with one pack of all that they reach; None when there are no refs.
        default_branch: The branch that clones check out.
    """

    refs: tuple[str, ...]
    pack: Path | None
    default_branch: str


class Repositories:
    """The repositories of one instance.

    Args:
        root: The instance's folder.
        default_branch: What HEAD of a new repository points at.
    """

    def __init__(self, root: Path, default_branch: str) -> None:
        self.root = root
        self._default_branch = default_branch
        self._repositories = root / "repositories"
        self._staging = root / "staging"
        self._trash = root / "trash"

    def prepare(self) -> None:
        """Make the folders, private to the owner."""
        self.root.chmod(0o700)
        for folder in (self._repositories, self._staging, self._trash):
            folder.mkdir(mode=0o700, exist_ok=True)

    def sweep(self, age: float) -> int:
        """Remove what processes left that died; returns how many folders.

        Args:
            age: Seconds after which a folder of ``staging`` can't be in use any more. What is in
                ``trash`` goes in any case.
        """
        removed = 0
        limit = time.time() - age
        for parent in (self._staging, self._trash):
            for folder in parent.iterdir():
                try:
                    if parent is self._trash or folder.stat().st_mtime < limit:
                        shutil.rmtree(folder)
                        removed += 1
                except FileNotFoundError:
                    continue  # another process sweeps, too
        return removed

    def find(self, external_id: str) -> Path:
        """The folder of a repository.

        Raises:
            ProviderNotFoundError: There is none, also when the id isn't one.
        """
        try:
            folder = self._folder(external_id)
        except ProviderInvalidError as error:
            raise ProviderNotFoundError("There is no such repository.") from error
        if not (folder / "HEAD").is_file():
            raise ProviderNotFoundError("There is no such repository.", details={"id": external_id})
        return folder

    def exists(self, path: str) -> bool:
        """Whether a repository is there.

        Raises:
            ProviderInvalidError: The path isn't allowed.
            ProviderConflictError: Something else is in its place.
        """
        folder = self._folder(path)
        if not folder.exists():
            return False
        if not (folder / "HEAD").is_file():
            raise ProviderConflictError(
                "The repository's place is taken by something else.", details={"path": path}
            )
        return True

    def create(self, path: str, description: str, origin: Origin | None = None) -> None:
        """Make a repository unless it is there.

        It is built beside the others and renamed when it is complete and on the disk, so that
        nobody sees half of one, whatever dies.

        Args:
            path: Its path.
            description: One line for people.
            origin: History that it starts from, or None for an empty repository.

        Raises:
            OriginGoneError: The origin's pack was replaced by a newer one meanwhile.
        """
        target = self._folder(path)
        staged = self._staging / secrets.token_hex(8)
        staged.mkdir(mode=0o700)
        try:
            for name in _FOLDERS:
                (staged / name).mkdir(mode=0o700, parents=True)
            branch = self._default_branch if origin is None else origin.default_branch
            _write(staged / "HEAD", f"ref: refs/heads/{branch}\n")
            _write(staged / "config", _CONFIG)
            _write(staged / "description", " ".join(description.split()) + "\n")
            if origin is not None and origin.pack is not None:
                _write(staged / "packed-refs", "".join(f"{line}\n" for line in origin.refs))
                _link_files(origin.pack, staged / "objects" / "pack")
            for folder, _, _ in os.walk(staged, topdown=False):
                sync_folder(Path(folder))
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                staged.rename(target)
            except OSError:
                if not self.exists(path):
                    raise
            _sync_up(target.parent, self._repositories)
        finally:
            shutil.rmtree(staged, ignore_errors=True)

    def delete(self, external_id: str) -> bool:
        """Take a repository out of its place in one step, then remove it; False for none."""
        try:
            folder = self.find(external_id)
        except ProviderNotFoundError:
            return False
        grave = self._trash / secrets.token_hex(8)
        try:
            folder.rename(grave)
        except FileNotFoundError:
            return False
        sync_folder(folder.parent)
        shutil.rmtree(grave)
        return True

    def _folder(self, path: str) -> Path:
        return self._repositories / f"{check_repository_path(path)}.git"


def default_branch_of(repository: Path) -> str:
    """Short name of the branch that HEAD points at."""
    return _text(repository / "HEAD").removeprefix("ref: refs/heads/").rstrip("\n")


def protect(repository: Path, ref: str) -> None:
    """Note a ref as protected: one file each, so that nobody needs a lock."""
    name = hashlib.sha256(ref.encode()).hexdigest()[:32]
    target = repository / "protected" / name
    if target.exists():
        return
    staged = repository / "protected" / f".{secrets.token_hex(8)}"
    _write(staged, f"{ref}\n")
    staged.rename(target)
    sync_folder(target.parent)


def protected_refs(repository: Path) -> list[str]:
    """The protected refs."""
    files = (repository / "protected").iterdir()
    return [_text(path).rstrip("\n") for path in files if not path.name.startswith(".")]


def size_on_disk(repository: Path) -> int:
    """Bytes of the objects; a pack that forks share counts in each."""
    total = 0
    for folder, _, names in os.walk(repository / "objects"):
        for name in names:
            try:
                total += (Path(folder) / name).stat().st_size
            except FileNotFoundError:
                continue  # repacked meanwhile
    return total


def remove_leftovers(repository: Path, refs: Iterable[str], age: float) -> list[str]:
    """Remove lock files and unfinished pushes of git processes that were killed.

    Args:
        repository: The repository.
        refs: Refs that are about to move.
        age: Seconds after which no living process can hold them any more.

    Returns:
        Their names.
    """
    names = ["HEAD.lock", "config.lock", "packed-refs.lock"]
    names += [f"{ref}.lock" for ref in refs if is_ref_name(ref)]
    removed = []
    limit = time.time() - age
    names += [f"objects/{path.name}" for path in (repository / "objects").glob("*incoming-*")]
    for name in names:
        path = repository / name
        try:
            if path.stat().st_mtime < limit:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
                removed.append(name)
        except (FileNotFoundError, NotADirectoryError):
            continue
    return removed


def _link_files(source: Path, target: Path) -> None:
    """Give a fork the origin's pack as hard links; files of packs never change."""
    # The index comes last: "pack-….pack" sorts after "pack-….idx".
    try:
        paths = sorted(source.iterdir(), reverse=True)
    except FileNotFoundError as error:
        raise OriginGoneError from error
    for path in paths:
        try:
            os.link(path, target / path.name)
        except FileNotFoundError as error:
            raise OriginGoneError from error
        except OSError:
            shutil.copy2(path, target / path.name)  # a file system without hard links


def _text(path: Path) -> str:
    return path.read_text("utf-8")


def _write(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)


def sync_folder(folder: Path) -> None:
    """Write a folder's entries to the disk, so that a rename survives a power failure."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_up(folder: Path, top: Path) -> None:
    sync_folder(folder)
    while folder != top:
        folder = folder.parent
        sync_folder(folder)
