"""The folder through which the service and the hooks of one push speak to each other.

Files instead of environment variables or sockets: they have no length limit, need no process to
listen, and hold nothing that a hook could misuse.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["GateHouse", "PushGate", "Verdict"]

_ALIVE = "alive"
_BEING_MADE = 60.0
"""Seconds that another process may need between making its folder and locking it."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a push may do.

    Attributes:
        allowed: Full names of the refs that may move.
        refused: Sentence by raw name of the refs that mustn't.
        refuse_all: Sentence that refuses the whole push, or None.
        protected: Full names of the refs that take neither force pushes nor deletion.
    """

    allowed: Iterable[str]
    refused: Mapping[bytes, str]
    refuse_all: str | None
    protected: Iterable[str]


class GateHouse:
    """The folder of all pushes that this process serves; the methods block.

    The process holds a lock in it, which the kernel drops when the process dies. Its git may
    live on for a while and would still move refs; without its folder the hooks let it move none.

    Args:
        root: The instance's folder.
    """

    def __init__(self, root: Path) -> None:
        self._parent = root / "pushes"
        self.folder = self._parent / secrets.token_hex(8)
        self._lock: int | None = None

    def open(self) -> int:
        """Remove the folders of processes that died, then make our own; returns how many went."""
        self._parent.mkdir(mode=0o700, exist_ok=True)
        removed = sum(_remove_if_dead(folder) for folder in self._parent.iterdir())
        staged = self._parent / f".{self.folder.name}"
        staged.mkdir(mode=0o700)
        self._lock = os.open(staged / _ALIVE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        staged.rename(self.folder)
        return removed

    def close(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)


def _remove_if_dead(folder: Path) -> bool:
    """Remove the folder of a process that holds its lock no more."""
    try:
        if folder.name.startswith(".") and time.time() - folder.stat().st_mtime < _BEING_MADE:
            return False
        lock = os.open(folder / _ALIVE, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        shutil.rmtree(folder, ignore_errors=True)
        return True
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    shutil.rmtree(folder, ignore_errors=True)
    return True


class PushGate:
    """The folder of one push; the methods block.

    Args:
        house: Folder of this process's pushes.
    """

    def __init__(self, house: Path) -> None:
        self.folder = house / secrets.token_hex(16)

    def open(self, verdict: Verdict) -> None:
        """Write what the hooks read."""
        self.folder.mkdir(mode=0o700)
        refused = b"".join(
            name + b"\t" + _sentence(text) + b"\n"
            for name, text in verdict.refused.items()
            if not re.search(rb"[\x00-\x20\x7f]", name)  # receive-pack itself refuses such names
        )
        (self.folder / "refused").write_bytes(refused)
        (self.folder / "allowed").write_bytes(_lines(verdict.allowed))
        (self.folder / "protected").write_bytes(_lines(verdict.protected))
        if verdict.refuse_all is not None:
            (self.folder / "refuse-all").write_bytes(_sentence(verdict.refuse_all) + b"\n")

    def moved(self) -> frozenset[str]:
        """Full names of the refs that the post-receive hook noted; none before it ran."""
        try:
            noted = (self.folder / "moved").read_bytes()
        except FileNotFoundError:
            return frozenset()
        lines = noted.decode("utf-8", "replace").splitlines()
        return frozenset(line.split(" ", 2)[2] for line in lines if line.count(" ") >= 2)

    def close(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _lines(names: Iterable[str]) -> bytes:
    return "".join(f"{name}\n" for name in names).encode()


def _sentence(text: str) -> bytes:
    """One line without anything that could steer a terminal."""
    return _CONTROL.sub(" ", text).strip().encode("utf-8", "replace")
