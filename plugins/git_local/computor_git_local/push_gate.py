"""The folder through which the service and the hooks of one push speak to each other.

Files instead of environment variables or sockets: they have no length limit, need no process to
listen, and hold nothing that a hook could misuse.
"""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["PushGate", "Verdict"]

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


class PushGate:
    """The folder of one push; the methods block.

    Args:
        parent: Folder of all pushes' folders.
    """

    def __init__(self, parent: Path) -> None:
        self.folder = parent / secrets.token_hex(16)

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
