"""A blob on its way in: a locked temporary file that becomes visible by one rename.

The functions block; :mod:`computor_storage_local.provider` calls them in worker threads.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import secrets
import threading
import time
from pathlib import Path

from computor_storage_local.layout import TEMPORARY, blob_path

__all__ = ["LOCKLESS_AGE", "StagedBlob", "free_bytes", "make_folders", "sweep", "sync_folder"]

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

    The methods exclude each other: when the awaiting task is cancelled, its thread goes on, and
    :meth:`discard` must not close the file under it.

    Args:
        root: The instance's folder; the file lies in its ``tmp``, in the same file system.
        reserve: Free bytes that must be left on the file system.
    """

    def __init__(self, root: Path, reserve: int) -> None:
        self._root = root
        self._reserve = reserve
        self._hash = hashlib.sha256()
        self._step = threading.Lock()
        self._file: tuple[Path, int] | None = None
        self._closed = False
        self.size = 0

    @property
    def sha256(self) -> str:
        """Digest of the bytes so far."""
        return self._hash.hexdigest()

    def write(self, data: bytes | bytearray) -> None:
        """Append bytes; the first call creates the file.

        Raises:
            OSError: The file system refuses; ``ENOSPC`` also when the reserve is reached.
        """
        with self._step:
            if self._closed:
                return
            if self._file is None:
                self._file = _create_locked(self._root / TEMPORARY)
            if free_bytes(self._root) < self._reserve + len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self._hash.update(data)
            self.size += len(data)
            view = memoryview(data)
            while view:
                view = view[os.write(self._file[1], view) :]

    def commit(self) -> None:
        """Make the blob visible under its digest, whole and durable.

        The rename replaces a blob that is already there: the content is the same, open readers
        keep the old file, and a file that the disk had damaged is mended.
        """
        self.write(b"")
        with self._step:
            if self._closed or self._file is None:
                return
            path, descriptor = self._file
            os.fsync(descriptor)
            target = blob_path(self._root, self.sha256)
            make_folders(self._root, target.parent)
            path.rename(target)
            sync_folder(target.parent)
            self._close()

    def discard(self) -> None:
        """Remove the temporary file; after :meth:`commit` there is none and nothing happens."""
        with self._step:
            if self._file is not None and not self._closed:
                self._file[0].unlink(missing_ok=True)
            self._close()

    def _close(self) -> None:
        if self._file is not None and not self._closed:
            os.close(self._file[1])
        self._closed = True


def free_bytes(folder: Path) -> int:
    """Bytes that an unprivileged process can still write to the file system."""
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize


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
