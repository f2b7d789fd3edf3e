"""Promises that a mutant broke unnoticed until there was a test for them (`make mutants`)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import importlib_metadata
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from computor_core.builtin import CorePlugin
from computor_core.errors import UnsafeArchiveError
from computor_core.plugin_api import (
    ActionAxis,
    ActionRegistration,
    AuthProviderRegistration,
    CacheRegistration,
    CommandRegistration,
    EventBusRegistration,
    EventHandlerRegistration,
    ExampleFormatRegistration,
    GitHostRegistration,
    HandlerTiming,
    LifespanRegistration,
    MigrationRegistration,
    NotifierRegistration,
    ReportParserRegistration,
    RoleRegistration,
    RouterRegistration,
    ScopeKind,
    StepRegistration,
    StorageBackendRegistration,
    TestRunnerRegistration,
    WorkflowEngineRegistration,
    WorkflowRegistration,
)
from computor_core.plugin_api.workflows import MAX_PAYLOAD_BYTES, NonRetryableError, PayloadLimitError
from computor_core.plugins.builder import RegistryBuilder
from computor_core.plugins.discovery import scan
from computor_core.plugins.loader import Loader
from computor_core.plugins.offer import Offer
from computor_core.plugins.rules import broken_rules
from computor_core.schedule import Schedule, evaluate
from computor_core.services.receipts import GENESIS, ReceiptClaim, sign, verify
from computor_core.services.trees import (
    EXECUTABLE,
    MAX_DEPTH,
    MAX_NAME_BYTES,
    MAX_PATH_BYTES,
    REGULAR,
    FileEntry,
    refuse_collisions,
    safe_path,
    tree_hash,
)
from computor_core.workflows.codec import decode, encode

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

    LONGEST = "/".join(["x" * MAX_NAME_BYTES] * 3 + ["x" * (MAX_NAME_BYTES - 2), "xx"])

    def test_the_longest_path_has_as_many_bytes_as_are_allowed(self):
        assert len(self.LONGEST) == MAX_PATH_BYTES

    @pytest.mark.parametrize("path", [LONGEST, "/".join("a" * MAX_DEPTH)])
    def test_the_longest_and_the_deepest_path_are_taken(self, path):
        assert safe_path(path) == path

    @pytest.mark.parametrize(
        "path",
        [LONGEST + "x", "x" * (MAX_NAME_BYTES + 1), "/".join("a" * (MAX_DEPTH + 1))],
    )
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
            ("a\nb", "has control or invisible characters"),
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


class TestPlugins:
    OFFER = Offer(
        plugin="core",
        distribution="computor-core",
        table_prefix="core_",
        migrations=(MigrationRegistration("core.migrations", "core.models"),),
        actions=(ActionRegistration("note.read", "Read", ActionAxis.CONTENT),),
        roles=(RoleRegistration("_reader", ScopeKind.COURSE, "Reader", frozenset()),),
        providers=(
            AuthProviderRegistration("a", "p.m:f", "A"),
            StorageBackendRegistration("s", "p.m:f", "S"),
            GitHostRegistration("g", "p.m:f", "G"),
            TestRunnerRegistration("r", "p.m:f", "R"),
            WorkflowEngineRegistration("e", "p.m:f", "E"),
            CacheRegistration("c", "p.m:f", "C"),
            EventBusRegistration("b", "p.m:f", "B"),
        ),
        workflows=(WorkflowRegistration("w", 2, "p.m:f"), StepRegistration("t", "p.m:f")),
        report_parsers=(ReportParserRegistration("tap", "p.m:f", "TAP"),),
        example_formats=(ExampleFormatRegistration("kattis", "p.m:f", "Kattis"),),
        notifiers=(NotifierRegistration("mail", "p.m:f", "Mail"),),
        event_handlers=(EventHandlerRegistration("x.y", "p.m:f", HandlerTiming.AFTER_COMMIT, "h"),),
        routers=(RouterRegistration("git", "p.m:f", "own", "asgi", "/git"),),
        commands=(CommandRegistration("go", "p.m:f", "Go"),),
        lifespan=(LifespanRegistration("p.m:f"),),
    )
    KEYS = {
        "migrations": ["core"],
        "actions": ["note.read"],
        "roles": ["course:_reader"],
        "auth_providers": ["a"],
        "storage_backends": ["s"],
        "git_hosts": ["g"],
        "test_runners": ["r"],
        "workflow_engines": ["e"],
        "caches": ["c"],
        "event_buses": ["b"],
        "workflows": [("w", 2)],
        "steps": ["t"],
        "report_parsers": ["tap"],
        "example_formats": ["kattis"],
        "notifiers": ["mail"],
        "event_handlers": ["h"],
        "routers": [("core", "git")],
        "commands": [("core", "go")],
    }

    def test_discovery_tells_what_the_metadata_says_sorted(self):
        found = scan()
        wanted = [
            (entry.name, entry.value, entry.dist.name, entry.dist.version, tuple(entry.dist.requires or ()))
            for entry in importlib_metadata.entry_points(group="computor.plugins")
        ]
        told = [(item.name, item.target, item.distribution, item.version, item.requires) for item in found]
        assert told == sorted(wanted, key=lambda item: (item[0], item[2]))
        assert {"storage_local", "git_local"} <= {item.name for item in found}
        assert all(item.entry_point.value == item.target for item in found)

    def test_everything_offered_stands_in_its_registry_with_its_origin(self):
        builder = RegistryBuilder()
        assert builder.add(self.OFFER) == []
        registries = builder.freeze()
        for name, keys in self.KEYS.items():
            registry = getattr(registries, name)
            assert list(registry) == keys, name
            assert [(item.plugin, item.distribution) for item in registry.values()] == [
                ("core", "computor-core")
            ]
        assert [item.registration.target for item in registries.lifespan] == ["p.m:f"]

    def test_whatever_is_offered_twice_is_named_with_both_distributions(self):
        builder = RegistryBuilder()
        builder.add(self.OFFER)
        other = replace(self.OFFER, plugin="other", distribution="other-dist")
        both = "is registered by both core (computor-core) and other (other-dist)"
        assert builder.add(other) == [
            f"{what} {both}"
            for what in (
                "action 'note.read'",
                "role 'course:_reader'",
                "auth type 'a'",
                "storage type 's'",
                "git type 'g'",
                "runner type 'r'",
                "engine type 'e'",
                "cache type 'c'",
                "bus type 'b'",
                "workflow 'w@2'",
                "step 't'",
                "report format 'tap'",
                "example format 'kattis'",
                "notifier 'mail'",
                "event handler 'h'",
                "mount '/git'",
            )
        ]
        twice = replace(self.OFFER, distribution="other-dist")
        assert builder.add(twice)[0] == "migration lineage 'core' is registered twice by core (other-dist)"
        assert len(builder.freeze().lifespan) == 1

    def test_every_malformed_target_is_named(self):
        def bent(items):
            names = ("target", "factory", "settings")
            return tuple(
                replace(item, **{name: "nonsense" for name in names if hasattr(item, name)}) for item in items
            )

        kinds = ("providers", "workflows", "report_parsers", "example_formats", "notifiers")
        kinds += ("event_handlers", "routers", "commands", "lifespan")
        offer = replace(self.OFFER, **{kind: bent(getattr(self.OFFER, kind)) for kind in kinds})
        assert list(broken_rules(self.OFFER)) == []
        problems = list(broken_rules(offer))
        for what in (
            "the factory of auth type 'a' is 'nonsense'",
            "the settings of storage type 's' is 'nonsense'",
            "the target of workflow 'w' is 'nonsense'",
            "the target of step 't' is 'nonsense'",
            "the target of report format 'tap' is 'nonsense'",
            "the target of example format 'kattis' is 'nonsense'",
            "the target of notifier 'mail' is 'nonsense'",
            "the target of event handler 'h' is 'nonsense'",
            "the target of router 'git' is 'nonsense'",
            "the target of command 'go' is 'nonsense'",
            "the target of a lifespan is 'nonsense'",
        ):
            assert any(problem.startswith(what) for problem in problems), what
        assert len(problems) == 23

    def test_an_active_plugin_says_what_it_is_and_another_is_unknown(self):
        plugins = Loader(core_version="0.1.0").load([], [], builtin=CorePlugin())
        assert plugins.meta("core") is CorePlugin.meta
        with pytest.raises(KeyError, match="absent"):
            plugins.meta("absent")


class TestPayloads:
    def test_a_value_of_another_type_is_named_with_both_types(self):
        with pytest.raises(NonRetryableError) as caught:
            encode(int, "many", "output of step x")
        assert caught.value.message == "output of step x isn't a int"
        assert caught.value.details == {"given": "str"}
        with pytest.raises(NonRetryableError, match=r"^output isn't a int \| None "):
            encode(int | None, "many", "output")

    def test_a_payload_that_does_not_fit_is_told_by_path_and_code_alone(self):
        with pytest.raises(NonRetryableError) as caught:
            decode(dict[str, list[int]], {"a": [1, "secret"]}, "input of step x")
        assert caught.value.message == "input of step x isn't a dict"
        assert caught.value.details == {"problems": [{"path": "a.1", "code": "int_parsing"}]}

    def test_one_that_is_too_large_is_told_with_its_size(self):
        with pytest.raises(PayloadLimitError) as caught:
            encode(str, "x" * MAX_PAYLOAD_BYTES, "output of step x")
        size = MAX_PAYLOAD_BYTES + 2
        assert caught.value.message == f"output of step x has {size} bytes, more than {MAX_PAYLOAD_BYTES}"
        assert caught.value.details == {"bytes": size, "limit": MAX_PAYLOAD_BYTES}
        assert caught.value.hint
        assert encode(str, "x" * (MAX_PAYLOAD_BYTES - 2), "output") is not None
