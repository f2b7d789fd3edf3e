"""Git objects and packs, made in memory.

Trees of a release are known whole, so their ids can be computed before git runs at all: a tree
that is there already costs no process, and what is new goes to ``git index-pack`` in one stream.
Formats: gitformat-pack(5), git-cat-file(1).
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from computor_core.plugin_api.errors import ProviderInvalidError
from computor_core.plugin_api.providers.git import TreeFile
from computor_git_local.names import check_tree_path

__all__ = ["GitObject", "TreeObjects", "build_commit", "build_tree", "write_pack"]

_PACK_TYPES = {"commit": 1, "tree": 2, "blob": 3}
_MODES = frozenset({0o100644, 0o100755})


@dataclass(frozen=True, slots=True)
class GitObject:
    """An object: kind, content and id (SHA-1 over kind, size, a zero byte and the content)."""

    kind: str
    content: bytes
    id: str

    @classmethod
    def make(cls, kind: str, content: bytes) -> GitObject:
        """Compute the id."""
        header = f"{kind} {len(content)}\0".encode()
        return cls(kind, content, hashlib.sha1(header + content, usedforsecurity=False).hexdigest())


@dataclass(frozen=True, slots=True)
class TreeObjects:
    """A whole tree: the root's id and all blobs and trees, each once."""

    root: str
    objects: dict[str, GitObject]


@dataclass(slots=True)
class _Folder:
    folders: dict[str, _Folder] = field(default_factory=dict)
    files: dict[str, tuple[int, str]] = field(default_factory=dict)


def build_tree(files: Sequence[TreeFile]) -> TreeObjects:
    """Make the objects of a tree.

    Raises:
        ProviderInvalidError: A path or mode isn't allowed, a path stands twice, or is both a
            file and a directory.
    """
    objects: dict[str, GitObject] = {}
    root = _Folder()
    for file in files:
        *parents, name = check_tree_path(file.path)
        if file.mode not in _MODES:
            raise ProviderInvalidError(
                "A file's mode is 0o100644 or 0o100755.",
                details={"path": file.path, "mode": oct(file.mode)},
            )
        folder = root
        for parent in parents:
            if parent in folder.files:
                raise _both(file.path)
            folder = folder.folders.setdefault(parent, _Folder())
        if name in folder.folders:
            raise _both(file.path)
        if name in folder.files:
            raise ProviderInvalidError("A path stands twice in the tree.", details={"path": file.path})
        blob = GitObject.make("blob", file.content)
        objects[blob.id] = blob
        folder.files[name] = (file.mode, blob.id)
    return TreeObjects(_enter_tree(root, objects), objects)


def _both(path: str) -> ProviderInvalidError:
    return ProviderInvalidError("A path is both a file and a directory.", details={"path": path})


def _enter_tree(folder: _Folder, objects: dict[str, GitObject]) -> str:
    entries: list[tuple[bytes, bytes]] = []
    for name, (mode, blob_id) in folder.files.items():
        raw = name.encode()
        entries.append((raw, b"%o %s\0" % (mode, raw) + bytes.fromhex(blob_id)))
    for name, child in folder.folders.items():
        raw = name.encode()
        # git sorts a directory as if its name ended with a slash
        entries.append((raw + b"/", b"40000 %s\0" % raw + bytes.fromhex(_enter_tree(child, objects))))
    tree = GitObject.make("tree", b"".join(entry for _, entry in sorted(entries)))
    objects[tree.id] = tree
    return tree.id


def build_commit(
    tree: str, parent: str | None, message: str, name: str, email: str, moment: datetime
) -> GitObject:
    """Make a commit whose author is its committer.

    Args:
        tree: Id of the tree.
        parent: Id of the parent, None for a first commit.
        message: Message; a final newline is added.
        name: Author's name; characters that end the field are left out.
        email: Author's e-mail, likewise.
        moment: Author's and committer's time.
    """
    person = f"{_plain(name) or 'Computor'} <{_plain(email)}> {int(moment.timestamp())} +0000"
    lines = [f"tree {tree}"]
    if parent is not None:
        lines.append(f"parent {parent}")
    lines += [f"author {person}", f"committer {person}", "", message.replace("\0", "").strip("\n"), ""]
    return GitObject.make("commit", "\n".join(lines).encode("utf-8", "replace"))


def _plain(text: str) -> str:
    return re.sub(r"[<>\x00-\x1f\x7f]", "", text).strip()


def write_pack(objects: Iterable[GitObject]) -> bytes:
    """A pack of whole objects, version 2, as ``git index-pack --stdin`` reads it."""
    parts = []
    for item in objects:
        size = len(item.content)
        first, size = size & 0x0F, size >> 4
        header = bytearray([_PACK_TYPES[item.kind] << 4 | first])
        while size:
            header[-1] |= 0x80
            header.append(size & 0x7F)
            size >>= 7
        parts.append(bytes(header) + zlib.compress(item.content, 6))
    pack = b"PACK" + (2).to_bytes(4, "big") + len(parts).to_bytes(4, "big") + b"".join(parts)
    return pack + hashlib.sha1(pack, usedforsecurity=False).digest()
