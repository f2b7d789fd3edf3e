"""One host per SQLite file.

SQLite lets several processes write, but wake-ups, leases and the sequencer assume one host. The
lock is an advisory one of the operating system (flock(2)): it goes with its process, however
that ends.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from computor_core.errors import ConfigurationError

if TYPE_CHECKING:
    from computor_core.db.engine import Database


@contextmanager
def host_lock(database: Database) -> Iterator[None]:
    """Be the only host on a SQLite file while the block is open; other systems need no lock.

    Raises:
        ConfigurationError: Another process holds the lock, or the file can't be made.
    """
    if not database.is_sqlite:
        yield
        return
    path = Path(f"{database.url.database}.lock")
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigurationError(
            f"the lock file {path} can't be opened: {error.strerror or error}"
        ) from error
    with os.fdopen(descriptor, "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = file.read(32).strip() or "unknown"
            raise ConfigurationError(
                f"the database {database.url.database} is in use by another host (process {holder})",
                hint="stop it first; several hosts at a time need PostgreSQL",
                details={"process": holder},
            ) from error
        file.seek(0)
        file.truncate()
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield
