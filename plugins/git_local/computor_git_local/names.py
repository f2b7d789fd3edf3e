"""Which names are allowed: repositories, refs, kept commits, paths in a tree."""

from __future__ import annotations

import re

from computor_core.plugin_api.errors import ProviderInvalidError

__all__ = [
    "KEEP_PREFIX",
    "ZERO_ID",
    "check_branch",
    "check_keep_name",
    "check_repository_path",
    "check_tree_path",
    "is_branch_name",
    "is_commit_id",
    "is_ref_name",
]

ZERO_ID = "0" * 40
"""Object id that stands for "no such ref"."""

KEEP_PREFIX = "refs/computor/keep/"
"""Refs of kept commits; ``transfer.hideRefs`` hides all of ``refs/computor``."""

_COMMIT_ID = re.compile(r"[0-9a-f]{40}")
_KEEP_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")
_REPOSITORY_SEGMENT = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,98}[A-Za-z0-9_-])?")
_REF_FORBIDDEN = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//")
_TREE_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f\\]")

# Code points that HFS+ ignores when it compares names (git: utf8.c, next_hfs_char).
_HFS_IGNORED = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")


def check_repository_path(path: str) -> str:
    """Return the path of a repository inside the instance, if it is one.

    Raises:
        ProviderInvalidError: It isn't; only such paths ever reach the file system.
    """
    segments = path.split("/")
    allowed = len(path) <= 512 and len(segments) <= 16
    for segment in segments:
        folded = segment.casefold()
        allowed = (
            allowed
            and _REPOSITORY_SEGMENT.fullmatch(segment) is not None
            and ".." not in segment
            and not folded.endswith((".git", ".lock"))
        )
    if not allowed:
        raise ProviderInvalidError(
            "The path of a repository has at most 16 segments of ASCII letters, digits, '_', '.' and "
            "'-', none beginning or ending with '.', beginning with '-', or ending with '.git' or '.lock'.",
            details={"path": path[:200]},
        )
    return path


def is_commit_id(text: str) -> bool:
    """Whether the text is a full SHA-1 object id."""
    return _COMMIT_ID.fullmatch(text) is not None


def is_ref_name(name: str) -> bool:
    """Whether git would take this as a full ref name (git-check-ref-format(1))."""
    return (
        name.startswith("refs/")
        and len(name.encode("utf-8", "surrogateescape")) <= 250
        and _REF_FORBIDDEN.search(name) is None
        and not name.endswith(("/", "."))
        and all(part and not part.startswith(".") and not part.endswith(".lock") for part in name.split("/"))
    )


def is_branch_name(name: str) -> bool:
    """Whether this is the short name of a possible branch."""
    return name != "HEAD" and not name.startswith("-") and is_ref_name(f"refs/heads/{name}")


def check_branch(name: str) -> str:
    """Return the full ref name of a branch.

    Raises:
        ProviderInvalidError: git doesn't allow the name.
    """
    if not is_branch_name(name):
        raise ProviderInvalidError("git doesn't allow this branch name.", details={"branch": name[:200]})
    return f"refs/heads/{name}"


def check_keep_name(name: str) -> str:
    """Return the full ref name under which a commit is kept.

    Raises:
        ProviderInvalidError: The name has other characters than letters, digits, ``_``, ``-``.
    """
    if not _KEEP_NAME.fullmatch(name):
        raise ProviderInvalidError(
            "A kept commit's name has 1 to 100 letters, digits, '_' and '-'.", details={"name": name[:200]}
        )
    return KEEP_PREFIX + name


def check_tree_path(path: str) -> tuple[str, ...]:
    """Split the path of a file in a tree into its segments.

    Raises:
        ProviderInvalidError: The path could leave the tree, enter a ``.git`` folder on some
            system, or can't be stored as UTF-8.
    """
    segments = tuple(path.split("/"))
    try:
        size = len(path.encode())
    except UnicodeEncodeError:
        size = 0
    if not 0 < size <= 4096 or _TREE_FORBIDDEN.search(path) or not all(map(_is_clean, segments)):
        raise ProviderInvalidError(
            "A file's path is relative, in UTF-8, without '.', '..' and '.git', without backslashes and "
            "control characters.",
            details={"path": path[:200].encode("utf-8", "replace").decode()},
        )
    return segments


def _is_clean(segment: str) -> bool:
    """Refuse what is, or becomes on NTFS or HFS+, a dot folder or ``.git``."""
    plain = _HFS_IGNORED.sub("", segment).partition(":")[0].rstrip(" .").casefold()
    return bool(plain) and plain not in {".git", "git~1"} and len(segment.encode()) <= 255
