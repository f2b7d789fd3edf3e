"""Archives that are made to hurt: each is one clear error, in bounded memory, and leaves nothing."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import random
import struct
import subprocess
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from computor_git_local.names import check_tree_path
from hypothesis import example, given
from hypothesis import strategies as st

from computor_core.errors import ComputorError, EmptyArchiveError, PayloadTooLargeError, UnsafeArchiveError
from computor_core.services.archive_tar import HEADERS_BEFORE
from computor_core.services.archives import ArchiveLimits, extract
from computor_core.services.trees import safe_path

MIB = 1024 * 1024
_CHILD = """
import json, resource, sys
from pathlib import Path
from computor_core.errors import ComputorError
from computor_core.services.archives import ArchiveLimits, extract
resource.setrlimit(resource.RLIMIT_AS, (512 << 20, 512 << 20))
resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
archive, spool = map(Path, sys.argv[1:])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    extract(archive, spool, ArchiveLimits())
    code = "accepted"
except ComputorError as error:
    code = error.code
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(json.dumps({"code": code, "mib": peak // 1024}))
"""


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    folder = tmp_path / "spool"
    folder.mkdir()
    return folder


def header(kind: bytes, size: int, name: str = "header") -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(tarfile.USTAR_FORMAT)


def gzipped(pieces: Iterator[bytes]) -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    return b"".join([*map(packer.compress, pieces), packer.flush()])


def zeros(mib: int) -> Iterator[bytes]:
    for _ in range(mib):
        yield bytes(MIB)


def header_bomb(kind: bytes) -> bytes:
    """Less than half a mebibyte that announces 150 of header."""

    def pieces() -> Iterator[bytes]:
        yield header(kind, 150 * MIB)
        yield from zeros(150)

    return gzipped(pieces())


def tar_of_folders(count: int) -> bytes:
    def pieces() -> Iterator[bytes]:
        for number in range(count):
            yield header(tarfile.DIRTYPE, 0, f"d{number}")
        yield bytes(1024)

    return gzipped(pieces())


def zip_of_folders(count: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for number in range(count):
            packed.writestr(f"d{number}/", b"")
    return buffer.getvalue()


def flood_of_global_headers() -> bytes:
    """Global headers of five thousand keys each."""
    body = b"".join(b"12 k%05d=x\n" % number for number in range(5000))
    return gzipped(header(b"g", len(body)) + body + bytes(-len(body) % 512) for _ in range(600))


def chain_of_long_names() -> bytes:
    return gzipped(header(b"L", 512) + bytes(512) for _ in range(20_000))


def big_file() -> bytes:
    def pieces() -> Iterator[bytes]:
        yield header(tarfile.REGTYPE, 150 * MIB, "zeros")
        yield from zeros(150)

    return gzipped(pieces())


def record(name: bytes, offset: int, packed: int, size: int, method: int = 8, crc: int = 0) -> bytes:
    """A record of a ZIP directory (APPNOTE 4.3.12)."""
    fields = (20, 20, 0, method, 0, 0, crc, packed, size, len(name), 0, 0, 0, 0, 0, offset)
    return struct.pack("<4s6H3I5H2I", b"PK\x01\x02", *fields) + name


def local(name: bytes, packed: int, size: int, method: int = 8, crc: int = 0) -> bytes:
    """A local header of a ZIP archive (APPNOTE 4.3.7)."""
    fields = (20, 0, method, 0, 0, crc, packed, size, len(name), 0)
    return struct.pack("<4s5H3I2H", b"PK\x03\x04", *fields) + name


def end_of_zip(count: int, directory: int, offset: int) -> bytes:
    return struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, count, count, directory, offset, 0)


def overlapping_zip() -> bytes:
    """Many entries that share one body, whose expansion they multiply."""
    body = zlib.compress(bytes(10 * MIB), 9)[2:-4]
    crc = zlib.crc32(bytes(10 * MIB))
    content = local(b"a", len(body), 10 * MIB, crc=crc) + body
    directory = b"".join(record(b"a", 0, len(body), 10 * MIB, crc=crc) for _ in range(1000))
    return content + directory + end_of_zip(1000, len(directory), len(content))


def quoting_zip() -> bytes:
    """Fifield's bomb: each entry's stored body begins with the local header of the next one."""
    names = [b"%04d" % number for number in range(1000)]
    size = 34 * len(names)
    sizes = [size - 34 * (number + 1) for number in range(len(names))]
    content = b"".join(local(name, left, left, method=0) for name, left in zip(names, sizes, strict=True))
    directory = b"".join(
        record(name, 34 * number, sizes[number], sizes[number], method=0) for number, name in enumerate(names)
    )
    return content + directory + end_of_zip(1000, len(directory), len(content))


def directory_flood() -> bytes:
    """Thirty mebibytes of directory, of records that say nothing."""
    directory = record(b"", 0, 0, 0) * (30 * MIB // 46)
    return b"PK\x03\x04" + directory + end_of_zip(0xFFFF, len(directory), 4)


def zip64_count() -> bytes:
    """A directory that is said to have 2^63 entries in 2^40 bytes."""
    end64 = struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 2**63, 2**63, 2**40, 4)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, 4, 1)
    return b"PK\x03\x04" + end64 + locator + end_of_zip(0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF)


def bzip2_in_zip() -> bytes:
    """150 MiB of zeros in less than a piece, which zipfile would unpack at once."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_BZIP2) as packed, packed.open("zeros", "w") as entry:
        for piece in zeros(150):
            entry.write(piece)
    return buffer.getvalue()


def huge_dictionary() -> bytes:
    """A .xz file that wants 1.5 GiB of memory for its dictionary."""
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0}]
    packed = bytearray(lzma.compress(plain_tar(), lzma.FORMAT_XZ, filters=filters))
    assert packed[14:16] == b"\x21\x01"  # the filter LZMA2 with one byte of properties, its dictionary's size
    packed[16] = 40 - 3
    packed[20:24] = struct.pack("<I", zlib.crc32(packed[12:20]))
    return bytes(packed)


def plain_tar(name: str = "a.py", content: bytes = b"print(1)\n") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as packed:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        packed.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def plain_zip(name: str = "a.py") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        packed.writestr(name, "print(1)\n")
    return buffer.getvalue()


def in_bounds(tmp_path: Path, spool: Path, content: bytes) -> str:
    """The code of the error in a process that gets 512 MiB, of which it may need 100 (xz needs most)."""
    archive = tmp_path / "archive"
    archive.write_bytes(content)
    found = subprocess.run(
        [sys.executable, "-c", _CHILD, str(archive), str(spool)], capture_output=True, check=False, text=True
    )
    assert found.returncode == 0, found.stderr
    answer = json.loads(found.stdout)
    assert answer["mib"] < 100
    assert list(spool.iterdir()) == []
    return str(answer["code"])


@pytest.mark.parametrize(
    ("make", "code"),
    [
        pytest.param(lambda: header_bomb(b"x"), "unsafe_archive", id="pax header"),
        pytest.param(lambda: header_bomb(b"g"), "unsafe_archive", id="global pax header"),
        pytest.param(lambda: header_bomb(b"L"), "unsafe_archive", id="long name"),
        pytest.param(lambda: header_bomb(b"K"), "unsafe_archive", id="long link"),
        pytest.param(flood_of_global_headers, "unsafe_archive", id="flood of global headers"),
        pytest.param(chain_of_long_names, "unsafe_archive", id="chain of long names"),
        pytest.param(lambda: tar_of_folders(30_000), "payload_too_large", id="tar of folders"),
        pytest.param(lambda: zip_of_folders(10_000), "payload_too_large", id="zip of folders"),
        pytest.param(big_file, "payload_too_large", id="big file"),
        pytest.param(lambda: bz2.compress(b"".join(zeros(100))), "unsafe_archive", id="bzip2 of zeros"),
        pytest.param(
            lambda: lzma.compress(b"".join(zeros(100)), preset=0), "unsafe_archive", id="xz of zeros"
        ),
        pytest.param(huge_dictionary, "unsafe_archive", id="xz with a huge dictionary"),
        pytest.param(overlapping_zip, "unsafe_archive", id="zip of one body many times"),
        pytest.param(quoting_zip, "unsafe_archive", id="zip that quotes headers"),
        pytest.param(directory_flood, "payload_too_large", id="zip directory flood"),
        pytest.param(zip64_count, "unsafe_archive", id="zip64 count"),
        pytest.param(bzip2_in_zip, "unsafe_archive", id="bzip2 in a zip"),
    ],
)
def test_a_bomb_is_one_error_in_bounded_memory(
    tmp_path: Path, spool: Path, make: Callable[[], bytes], code: str
) -> None:
    assert in_bounds(tmp_path, spool, make()) == code


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(gzip.compress(plain_tar()) * 2, id="two gzip members"),
        pytest.param(gzip.compress(plain_tar()) + b"garbage", id="garbage after gzip"),
        pytest.param(gzip.compress(plain_tar() + b"garbage"), id="garbage after tar in gzip"),
        pytest.param(bz2.compress(plain_tar()) * 2, id="two bzip2 streams"),
        pytest.param(lzma.compress(plain_tar()) * 2, id="two xz streams"),
        pytest.param(plain_tar() * 2, id="two tars"),
        pytest.param(plain_tar() + plain_zip(), id="a zip after a tar"),
        pytest.param(plain_zip() + plain_tar(), id="a tar after a zip"),
        pytest.param(plain_zip() + plain_zip("b.py"), id="two zips"),
        pytest.param(plain_zip() + b"\0", id="a byte after a zip"),
    ],
)
def test_an_archive_is_all_there_is_in_the_file(tmp_path: Path, spool: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(UnsafeArchiveError, match="follows its end"):
        extract(tmp_path / "a", spool, ArchiveLimits())
    assert list(spool.iterdir()) == []


@pytest.mark.parametrize("packer", [bytes, gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("length", [1, 511, 512, 1000, 3583, 3584])
def test_half_a_tar_is_none(
    tmp_path: Path, spool: Path, packer: Callable[[bytes], bytes], length: int
) -> None:
    """Wherever it is cut: before, in and after the file, which ends at byte 3584."""
    content = plain_tar(content=random.Random(1).randbytes(3000))
    whole = packer(content)
    (tmp_path / "a").write_bytes(whole[:length] if packer is bytes else whole[: min(length, len(whole) - 1)])
    with pytest.raises(UnsafeArchiveError, match="damaged"):
        extract(tmp_path / "a", spool, ArchiveLimits())
    assert list(spool.iterdir()) == []


@pytest.mark.parametrize("length", [1, 4, 30, 60, len(plain_zip()) - 1])
def test_half_a_zip_is_none(tmp_path: Path, spool: Path, length: int) -> None:
    (tmp_path / "a").write_bytes(plain_zip()[:length])
    with pytest.raises(UnsafeArchiveError, match="damaged"):
        extract(tmp_path / "a", spool, ArchiveLimits())


@pytest.mark.parametrize(
    "content", [bytes(10240), tar_of_folders(1), zip_of_folders(0), zip_of_folders(2)], ids=range(4)
)
def test_an_archive_without_a_file_is_refused(tmp_path: Path, spool: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(EmptyArchiveError):
        extract(tmp_path / "a", spool, ArchiveLimits())


@pytest.mark.parametrize("make", [tar_of_folders, zip_of_folders])
def test_folders_count(tmp_path: Path, spool: Path, make: Callable[[int], bytes]) -> None:
    (tmp_path / "a").write_bytes(make(11))
    with pytest.raises(PayloadTooLargeError, match="more than 10 files and folders"):
        extract(tmp_path / "a", spool, ArchiveLimits(files=10))
    with pytest.raises(EmptyArchiveError):
        extract(tmp_path / "a", spool, ArchiveLimits(files=11))


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_what_tar_programs_write_is_read(tmp_path: Path, spool: Path, form: int, mode: str) -> None:
    long = "/".join(["folder" * 10] * 3)
    names = [
        "a.py",
        f"{long}/b.txt",
        *([f"{long * 3}/ü.txt", "é.py"] if form != tarfile.USTAR_FORMAT else []),
    ]
    with tarfile.open(tmp_path / "a", mode, format=form, pax_headers={"comment": "made by a test"}) as packed:  # type: ignore[call-overload]
        folder = tarfile.TarInfo("./")
        folder.type = tarfile.DIRTYPE
        packed.addfile(folder)
        for name in names:
            info = tarfile.TarInfo(name)
            info.mtime = 1.5 if form == tarfile.PAX_FORMAT else 1
            info.size = len(name) * 1000
            packed.addfile(info, io.BytesIO(name.encode()[:1] * info.size))
    found = extract(tmp_path / "a", spool, ArchiveLimits())
    assert {item.entry.path: item.location.read_bytes() for item in found} == {
        name: name.encode()[:1] * (len(name) * 1000) for name in names
    }


def test_a_sparse_file_is_a_special_one(tmp_path: Path, spool: Path) -> None:
    for headers in ({"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}, {"GNU.sparse.map": "0,1"}):
        with tarfile.open(tmp_path / "a", "w") as packed:
            info = tarfile.TarInfo("a")
            info.pax_headers = headers
            packed.addfile(info)
        with pytest.raises(UnsafeArchiveError, match="special"):
            extract(tmp_path / "a", spool, ArchiveLimits())


@pytest.mark.parametrize("kind", [b"g", b"x", b"K"])
def test_headers_of_nothing_are_counted(tmp_path: Path, spool: Path, kind: bytes) -> None:
    empty = header(kind, 0)
    for number, taken in ((HEADERS_BEFORE, True), (HEADERS_BEFORE + 1, False)):
        (tmp_path / "a").write_bytes(empty * number + plain_tar())
        if taken:
            assert extract(tmp_path / "a", spool, ArchiveLimits())
        else:
            with pytest.raises(UnsafeArchiveError, match="headers"):
                extract(tmp_path / "a", spool, ArchiveLimits())


@pytest.mark.parametrize(
    "records", [b"999 path=a\n", b"x path=a\n", b"9 path=a", b"8 patha\n", b"0 a=b\n", b"a"]
)
def test_a_pax_header_that_is_none_is_damage(tmp_path: Path, spool: Path, records: bytes) -> None:
    packed = header(b"x", len(records)) + records.ljust(512, b"\0") + plain_tar()
    (tmp_path / "a").write_bytes(packed)
    with pytest.raises(UnsafeArchiveError, match="damaged"):
        extract(tmp_path / "a", spool, ArchiveLimits())


def test_a_name_in_a_zip_does_not_end_at_a_nul_byte(tmp_path: Path, spool: Path) -> None:
    (tmp_path / "a").write_bytes(plain_zip("a.pyX.txt").replace(b"a.pyX.txt", b"a.py\0.txt"))
    with pytest.raises(UnsafeArchiveError, match="control"):
        extract(tmp_path / "a", spool, ArchiveLimits())


@pytest.mark.parametrize("name", [b"", b"\xff\xfe.py"])
def test_a_name_in_a_zip_that_is_none_is_one_clear_error(tmp_path: Path, spool: Path, name: bytes) -> None:
    utf8 = 0x800
    content = bytearray(local(name, 0, 0, method=0) + record(name, 0, 0, 0, method=0))
    directory = 30 + len(name)
    struct.pack_into("<H", content, 6, utf8)
    struct.pack_into("<H", content, directory + 8, utf8)
    (tmp_path / "a").write_bytes(bytes(content) + end_of_zip(1, len(content) - directory, directory))
    with pytest.raises(UnsafeArchiveError):
        extract(tmp_path / "a", spool, ArchiveLimits())


@pytest.mark.parametrize(
    "name",
    [
        ".g\u200cit/config", ".git /hooks", "git~1/config", "GIT~1", "a/.git./x", "a/.git::$INDEX_ALLOCATION",
        "a/.GIT ./x", "gpj.\u202eexe", "a\U000e0061", "soft\u00adhyphen", "line\u2028end", "\ufeffa",
        "a/.../b", "a/ /b", "x" * 256, "ü" * 128,
    ],
)  # fmt: skip
def test_names_that_mean_something_else_elsewhere_are_refused(name: str) -> None:
    with pytest.raises(UnsafeArchiveError):
        safe_path(name)


@pytest.mark.parametrize(
    "name", [".gitignore", ".github/x", "git~10", "a.git/x", "x" * 255, "été/日本.txt", "a b.c"]
)
def test_names_that_only_look_alike_are_taken(name: str) -> None:
    assert safe_path(name) == name


_NASTY = st.sampled_from(
    [*".gitGIT~1 :/a", "\u200c", "\u200d", "\u202e", "\ufeff", "\u00ad", "\t", "\\", "é"]
)


@given(st.lists(_NASTY, min_size=1, max_size=12).map("".join) | st.text(max_size=300))
@example(".g\u200cit/config")
@example(".git /hooks")
@example("git~1")
def test_what_is_taken_from_an_upload_is_taken_by_git_as_well(path: str) -> None:
    """One rule for both transports: acceptance refuses at least what the git host refuses to write."""
    try:
        taken = safe_path(path)
    except UnsafeArchiveError:
        return
    assert check_tree_path(taken) == tuple(taken.split("/"))


SEEDS = [plain_tar(), plain_zip(), gzip.compress(plain_tar(), mtime=0), bz2.compress(plain_tar()),
         lzma.compress(plain_tar())]  # fmt: skip


@given(
    seed=st.sampled_from(SEEDS),
    places=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=8)), max_size=6
    ),
)
def test_whatever_comes_is_accepted_or_refused(
    tmp_path_factory: pytest.TempPathFactory, seed: bytes, places: list[tuple[float, bytes]]
) -> None:
    content = bytearray(seed)
    for place, change in places:
        at = int(place * len(content))
        content[at : at + len(change)] = change
    folder = tmp_path_factory.mktemp("any")
    (folder / "spool").mkdir()
    (folder / "a").write_bytes(content)
    try:
        extract(folder / "a", folder / "spool", ArchiveLimits())
    except ComputorError:
        assert list((folder / "spool").iterdir()) == []
