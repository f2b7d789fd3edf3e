"""What comes out of an uploaded archive, and what never does."""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from computor_core.errors import PayloadTooLargeError, UnsafeArchiveError
from computor_core.services.archives import ArchiveLimits, extract
from computor_core.services.trees import FileEntry, refuse_collisions, safe_path, tree_hash


def make_zip(path: Path, files: dict[str, bytes], *, mode: int = 0o100644) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return path


def make_tar(path: Path, members: list[tuple[tarfile.TarInfo, bytes]], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for info, content in members:
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    folder = tmp_path / "spool"
    folder.mkdir()
    return folder


def test_zip_and_tar_of_the_same_files_have_the_same_identity(tmp_path: Path, spool: Path) -> None:
    files = {"a.py": b"print(1)\n", "src/b.py": b"", "ü.txt": "é".encode()}
    from_zip = extract(make_zip(tmp_path / "a.zip", files), spool, ArchiveLimits())
    other = tmp_path / "other"
    other.mkdir()
    members = [(tarfile.TarInfo(f"./{name}"), content) for name, content in reversed(files.items())]
    from_tar = extract(make_tar(tmp_path / "a.tar.gz", members, "w:gz"), other, ArchiveLimits())
    assert [item.entry for item in from_zip] == [item.entry for item in from_tar]
    assert tree_hash(item.entry for item in from_zip) == tree_hash(item.entry for item in from_tar)
    assert {item.entry.path: item.location.read_bytes() for item in from_zip} == files


def test_the_executable_bit_is_part_of_the_identity(tmp_path: Path, spool: Path) -> None:
    plain = extract(make_zip(tmp_path / "a.zip", {"run": b"x"}), spool, ArchiveLimits())
    other = tmp_path / "other"
    other.mkdir()
    executable = extract(make_zip(tmp_path / "b.zip", {"run": b"x"}, mode=0o100755), other, ArchiveLimits())
    assert tree_hash(item.entry for item in plain) != tree_hash(item.entry for item in executable)


@pytest.mark.parametrize(
    "name",
    [
        "../evil", "a/../../evil", "/etc/passwd", "C:/windows", "a\\b", "a//b", "./.", "a/./b",
        ".git/config", "src/.GIT/hooks/post-checkout", "nul\nline", "x" * 1025, "/".join("a" * 40),
    ],
)  # fmt: skip
def test_unsafe_paths_are_refused(name: str) -> None:
    with pytest.raises(UnsafeArchiveError):
        safe_path(name)


@pytest.mark.parametrize("name", ["../evil", "/abs", ".git/config"])
def test_an_archive_with_an_unsafe_path_leaves_nothing_outside_the_spool(
    tmp_path: Path, spool: Path, name: str
) -> None:
    before = set(tmp_path.rglob("*")) | {tmp_path / "a.zip"}
    with pytest.raises(UnsafeArchiveError):
        extract(make_zip(tmp_path / "a.zip", {name: b"x"}), spool, ArchiveLimits())
    assert set(tmp_path.rglob("*")) - before <= set(spool.rglob("*"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar_are_refused(tmp_path: Path, spool: Path, kind: bytes) -> None:
    info = tarfile.TarInfo("link")
    info.type, info.linkname = kind, "/etc/passwd"
    with pytest.raises(UnsafeArchiveError):
        extract(make_tar(tmp_path / "a.tar", [(info, b"")]), spool, ArchiveLimits())


def test_a_symlink_in_a_zip_is_refused(tmp_path: Path, spool: Path) -> None:
    archive = make_zip(tmp_path / "a.zip", {"link": b"/etc/passwd"}, mode=stat.S_IFLNK | 0o777)
    with pytest.raises(UnsafeArchiveError):
        extract(archive, spool, ArchiveLimits())


def test_a_zip_bomb_is_stopped_early(tmp_path: Path, spool: Path) -> None:
    archive = make_zip(tmp_path / "bomb.zip", {"zeros": bytes(40 * 1024 * 1024)})
    with pytest.raises(UnsafeArchiveError, match="proportion"):
        extract(archive, spool, ArchiveLimits(file_bytes=10**9, total_bytes=10**9))
    assert sum(item.stat().st_size for item in spool.iterdir()) < 20 * 1024 * 1024


def test_limits_on_number_and_total_hold(tmp_path: Path, spool: Path) -> None:
    many = make_zip(tmp_path / "many.zip", {f"f{index}": b"" for index in range(11)})
    with pytest.raises(PayloadTooLargeError, match="files"):
        extract(many, spool, ArchiveLimits(files=10))
    for leftover in spool.iterdir():
        leftover.unlink()
    big = make_zip(tmp_path / "big.zip", {"a": b"x" * 600, "b": b"x" * 600})
    with pytest.raises(PayloadTooLargeError, match="together"):
        extract(big, spool, ArchiveLimits(total_bytes=1000))


@pytest.mark.parametrize("content", [b"", b"no archive at all", b"PK\x03\x04 damaged", b"\x1f\x8b\x08broken"])
def test_damaged_archives_are_one_clear_error(tmp_path: Path, spool: Path, content: bytes) -> None:
    archive = tmp_path / "a.bin"
    archive.write_bytes(content)
    with pytest.raises(UnsafeArchiveError, match="damaged"):
        extract(archive, spool, ArchiveLimits())


def test_names_that_collide_on_some_file_system_are_refused(tmp_path: Path, spool: Path) -> None:
    with pytest.raises(UnsafeArchiveError, match="twice"):
        extract(make_zip(tmp_path / "a.zip", {"Main.py": b"1", "main.py": b"2"}), spool, ArchiveLimits())
    with pytest.raises(UnsafeArchiveError, match="twice"):
        refuse_collisions(["a", "a/b"])
    with pytest.raises(UnsafeArchiveError, match="twice"):
        refuse_collisions(["a/b", "A"])
    refuse_collisions(["a/b", "a/c", "b"])


entries = st.builds(
    FileEntry,
    path=st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8),
    mode=st.sampled_from([0o100644, 0o100755]),
    size=st.integers(0, 10),
    sha256=st.sampled_from(["0" * 64, "1" * 64]),
)


@given(st.lists(entries, unique_by=lambda item: item.path, max_size=4).flatmap(
    lambda items: st.tuples(st.just(items), st.permutations(items))))  # fmt: skip
def test_the_hash_doesnt_depend_on_order(pair: tuple[list[FileEntry], list[FileEntry]]) -> None:
    assert tree_hash(pair[0]) == tree_hash(pair[1])


@given(
    st.lists(entries, unique_by=lambda item: item.path, max_size=3),
    st.lists(entries, unique_by=lambda item: item.path, max_size=3),
)
def test_different_trees_have_different_hashes(a: list[FileEntry], b: list[FileEntry]) -> None:
    assert (tree_hash(a) == tree_hash(b)) == (sorted(a) == sorted(b))
