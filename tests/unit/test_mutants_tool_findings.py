"""Promises that a mutant broke unnoticed until there was a test for them (`make mutants`)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from computor_core.errors import UnsafeArchiveError
from computor_core.schedule import Schedule, evaluate
from computor_core.services.receipts import GENESIS, ReceiptClaim, sign, verify
from computor_core.services.trees import (
    EXECUTABLE,
    MAX_DEPTH,
    MAX_PATH_BYTES,
    REGULAR,
    FileEntry,
    refuse_collisions,
    safe_path,
    tree_hash,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
FULL = Schedule(releases_at=NOON, due_at=NOON + HOUR, closes_at=NOON + 2 * HOUR)
CLAIM = ReceiptClaim(
    submission_group_id=UUID(int=1),
    artifact_id=UUID(int=2),
    sequence=1,
    previous_hash=GENESIS,
    tree_hash="ab" * 32,
    received_at=NOON,
    due_at=NOON + HOUR,
    official=True,
)


class TestSchedule:
    @pytest.mark.parametrize(
        ("at", "code", "goes_by"),
        [
            (NOON - HOUR, "not_released", FULL.releases_at),
            (NOON, "open", FULL.due_at),
            (NOON + HOUR * 1.5, "late", FULL.due_at),
            (NOON + 3 * HOUR, "closed", FULL.closes_at),
        ],
    )
    def test_every_stage_gives_its_reason_and_the_instant_it_goes_by(self, at, code, goes_by):
        (reason,) = evaluate(FULL, attempts_used=0, at=at).reasons
        assert (reason.code, reason.at) == (code, goes_by)
        assert reason.text[0].islower()  # words to go on with

    def test_used_attempts_are_said_with_their_number(self):
        window = evaluate(replace(FULL, max_attempts=2), attempts_used=2, at=NOON)
        assert [reason.code for reason in window.reasons] == ["attempts_exhausted", "open"]
        assert "2" in window.reasons[0].text

    def test_a_window_carries_the_dates_of_its_schedule(self):
        window = evaluate(FULL, attempts_used=0, at=NOON)
        assert (window.opens, window.due, window.closes) == (FULL.releases_at, FULL.due_at, FULL.closes_at)

    def test_one_attempt_is_a_limit_and_none_is_not(self):
        assert evaluate(Schedule(max_attempts=1), attempts_used=0, at=NOON).attempts_left == 1
        with pytest.raises(ValueError, match="max_attempts"):
            Schedule(max_attempts=0)


class TestTrees:
    ENTRY = FileEntry("src/a.py", EXECUTABLE, 3, "ab" * 32)

    def test_an_entry_comes_back_from_json_as_it_went(self):
        values = self.ENTRY.to_json()
        assert values == {"path": "src/a.py", "mode": 0o100755, "size": 3, "sha256": "ab" * 32}
        assert FileEntry.from_json(values) == self.ENTRY

    def test_the_identity_is_what_anybody_can_compute(self):
        entries = [FileEntry("b", REGULAR, 1, "cd" * 32), self.ENTRY]
        lines = f"100644 1 {'cd' * 32} b\0", f"100755 3 {'ab' * 32} src/a.py\0"
        assert tree_hash(entries) == hashlib.sha256("".join(lines).encode()).hexdigest()

    def test_the_identity_sorts_by_the_bytes_of_the_path_not_by_what_comes_first_in_an_entry(self):
        # U+10000 comes before U+FFFF in UTF-16 and after it in UTF-8; capitals come before small letters.
        paths = ["B", "a", "\uffff", "\U00010000"]
        entries = [FileEntry(path, REGULAR, 0, "ef" * 32) for path in paths]
        lines = "".join(f"100644 0 {'ef' * 32} {path}\0" for path in paths)
        assert tree_hash(reversed(entries)) == hashlib.sha256(lines.encode()).hexdigest()

    @pytest.mark.parametrize("path", ["x" * MAX_PATH_BYTES, "/".join("a" * MAX_DEPTH)])
    def test_the_longest_and_the_deepest_path_are_taken(self, path):
        assert safe_path(path) == path

    @pytest.mark.parametrize("path", ["x" * (MAX_PATH_BYTES + 1), "/".join("a" * (MAX_DEPTH + 1))])
    def test_a_longer_or_deeper_one_is_refused(self, path):
        with pytest.raises(UnsafeArchiveError):
            safe_path(path)

    @pytest.mark.parametrize(
        ("path", "problem"),
        [
            ("", "is empty or absolute"),
            ("/etc/passwd", "is empty or absolute"),
            ("a\\b", "has a backslash or a drive letter"),
            ("C:/a", "has a backslash or a drive letter"),
            ("a\nb", "has control characters"),
            ("a/../b", "leaves its folder or has empty parts"),
            (".git/config", "touches .git"),
            ("\ud800", "isn't valid text"),
        ],
    )
    def test_a_refused_path_is_named_printably_with_what_is_wrong(self, path, problem):
        with pytest.raises(UnsafeArchiveError) as caught:
            safe_path(path)
        printable = path.encode("ascii", "backslashreplace").decode()
        assert caught.value.message == f"the path {printable!r} {problem}"
        assert caught.value.details == {"path": printable}

    def test_a_long_path_is_named_by_its_beginning(self):
        with pytest.raises(UnsafeArchiveError) as caught:
            safe_path("/" + "ü" * 500)
        assert len(str(caught.value.details["path"])) == 200

    def test_a_file_and_a_folder_of_one_name_are_refused_whatever_stands_between(self):
        with pytest.raises(UnsafeArchiveError) as caught:
            refuse_collisions(["a/b", "c/d", "A"])
        assert caught.value.details == {"path": "A"}


class TestReceipts:
    def test_the_signed_text_is_exactly_this(self):
        assert CLAIM.body() == (
            '{"artifact_id":"00000000-0000-0000-0000-000000000002","due_at":"2026-03-01T13:00:00.000000Z",'
            f'"official":true,"previous_hash":"{GENESIS}","received_at":"2026-03-01T12:00:00.000000Z",'
            '"sequence":1,"submission_group_id":"00000000-0000-0000-0000-000000000001",'
            f'"tree_hash":"{"ab" * 32}","type":"computor.receipt.v1"}}'
        )

    def test_without_a_due_date_it_says_so(self):
        assert json.loads(replace(CLAIM, due_at=None).body())["due_at"] is None

    def test_instants_are_told_in_utc_wherever_they_come_from(self):
        elsewhere = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))
        assert replace(CLAIM, received_at=elsewhere).body() == CLAIM.body()

    def test_the_hash_is_that_of_the_body(self):
        receipt = sign(CLAIM, Ed25519PrivateKey.generate())
        assert receipt.hash == hashlib.sha256(CLAIM.body().encode()).hexdigest()

    def test_a_signature_with_something_between_its_letters_is_refused(self):
        key = Ed25519PrivateKey.generate()
        receipt = sign(CLAIM, key)
        assert not verify(receipt.body, f"{receipt.signature[:4]}\n{receipt.signature[4:]}", key.public_key())
