"""A blob on its way in: a locked temporary file that becomes visible by one rename.

The functions block; :mod:`computor_storage_local.provider` calls them in worker threads.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import secrets
import time
from pathlib import Path

from computor_storage_local.layout import TEMPORARY, blob_path

__all__ = ["LOCKLESS_AGE", "StagedBlob", "make_folders", "sync_folder", "sweep"]

LOCKLESS_AGE = 3600.0
"""Seconds after which a leftover goes on a file system that knows no locks."""

_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})


def sync_folder(folder: Path) -> None:
    """Write a folder's entries to the disk, so that a rename survives a power failure."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folders(root: Path, folder: Path) -> None:
    """Create ``folder`` below the existing ``root``, private to the owner, durably."""
    if folder == root or folder.is_dir():
        return
    make_folders(root, folder.parent)
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        return
    sync_folder(folder.parent)


class StagedBlob:
    """A temporary file that takes the bytes of one blob and counts and hashes them.

    The file is locked while its writer lives; the kernel drops the lock with the process, which
    is how :func:`sweep` tells a leftover from a blob that another process is writing, also
    across containers that see each other's process ids differently.

    Args:
        root: The instance's folder; the file lies in its ``tmp``, in the same file system.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._hash = hashlib.sha256()
        self.size = 0
        self._path, self._descriptor = _create_locked(root / TEMPORARY)

    @property
    def sha256(self) -> str:
        """Digest of the bytes so far."""
        return self._hash.hexdigest()

    def write(self, data: bytes | bytearray) -> None:
        """Append bytes."""
        self._hash.update(data)
        self.size += len(data)
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]

    def commit(self) -> None:
        """Make the blob visible under its digest, whole and durable.

        The rename replaces a blob that is already there: the content is the same, open readers
        keep the old file, and a file that the disk had damaged is mended.
        """
        os.fsync(self._descriptor)
        target = blob_path(self._root, self.sha256)
        make_folders(self._root, target.parent)
        self._path.rename(target)
        sync_folder(target.parent)
        os.close(self._descriptor)

    def discard(self) -> None:
        """Remove the temporary file; after :meth:`commit` there is none."""
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)


def _create_locked(folder: Path) -> tuple[Path, int]:
    """Create and lock a new file, again if a sweep took it between the two steps."""
    while True:
        path = folder / f"{os.getpid()}-{secrets.token_hex(8)}"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            continue
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                os.close(descriptor)
                path.unlink(missing_ok=True)
                raise
        if os.fstat(descriptor).st_nlink:
            return path, descriptor
        os.close(descriptor)


def sweep(root: Path) -> int:
    """Remove temporary files whose writers died; returns how many.

    A file goes when nobody holds its lock; where the file system has no locks, when it is
    older than :data:`LOCKLESS_AGE`.
    """
    removed = 0
    for path in (root / TEMPORARY).iterdir():
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            continue
        try:
            if _is_left_over(descriptor):
                path.unlink(missing_ok=True)
                removed += 1
        finally:
            os.close(descriptor)
    return removed


def _is_left_over(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        return time.time() - os.fstat(descriptor).st_mtime > LOCKLESS_AGE
    return True
