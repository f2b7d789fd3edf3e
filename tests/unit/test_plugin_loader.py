"""Loading: what isn't enabled is never imported, order is law, and every problem is told at once."""

from collections.abc import Iterator
from typing import Any, ClassVar, cast

import pytest

from computor_core.errors import PluginError
from computor_core.interfaces import EntityInterface
from computor_core.plugin_api import (
    ActionAxis,
    ActionRegistration,
    CommandRegistration,
    EventHandlerRegistration,
    GitHostRegistration,
    HandlerTiming,
    MigrationRegistration,
    PluginMeta,
    RoleRegistration,
    RouterRegistration,
    ScopeKind,
    StepRegistration,
    StorageBackendRegistration,
    WorkflowRegistration,
    hookimpl,
)
from computor_core.plugin_api.entities import EntityRegistration
from computor_core.plugins.loader import Loader
from computor_core.plugins.report import PluginState
from tests.plugin_stand_ins import BOUND, installed, load, plugin, state


def storage(kind: str) -> list[StorageBackendRegistration]:
    return [StorageBackendRegistration(type=kind, factory="a.b:c", summary="s")]


def test_a_sound_plugin_is_active_and_its_registrations_name_it() -> None:
    found = load(installed("attic", plugin("attic", storage_backends=storage("attic"))))
    assert found.problems == ()
    (active,) = found.active
    assert (active.name, active.distribution, active.version) == ("attic", "dist-attic", "1.2")
    entry = found.registries.storage_backends["attic"]
    assert (entry.plugin, entry.distribution) == ("attic", "dist-attic")
    assert found.registries.provider_types("storage") == found.registries.storage_backends


def test_what_isnt_enabled_is_never_imported() -> None:
    item = installed("idle", plugin("idle"))
    found = load(item, enabled=[])
    assert state(found, "idle") is PluginState.DISABLED
    assert cast("Any", item.entry_point).loads == 0
    assert found.problems == ()


def test_a_wrong_version_bound_is_seen_before_the_import() -> None:
    item = installed("old", plugin("old"), requires=("computor-core>=7,<8",))
    found = load(item)
    assert state(found, "old") is PluginState.INCOMPATIBLE
    assert cast("Any", item.entry_point).loads == 0
    (problem,) = found.problems
    assert "computor-core<8,>=7" in problem.message
    assert "0.1.0 is installed" in problem.message


@pytest.mark.parametrize(
    ("requires", "kind", "says"),
    [
        ((), PluginState.INCOMPATIBLE, "doesn't say which versions"),
        (("not a requirement !",), PluginState.INCOMPATIBLE, "malformed"),
        (
            (*BOUND, "surely-not-installed>=2"),
            PluginState.MISSING,
            "surely-not-installed>=2, which isn't installed",
        ),
        ((*BOUND, "pluggy>=99"), PluginState.INCOMPATIBLE, "pluggy>=99"),
    ],
)
def test_metadata_tells_what_is_wrong(requires: tuple[str, ...], kind: PluginState, says: str) -> None:
    found = load(installed("odd", plugin("odd"), requires=requires))
    assert state(found, "odd") is kind
    assert says in found.problems[0].message


@pytest.mark.parametrize("spelt", ["computor_core", "Computor-Core", "computor.core"])
def test_a_requirement_on_core_counts_however_it_is_spelt(spelt: str) -> None:
    sound = load(installed("fine", plugin("fine"), requires=(f"{spelt}>=0.1,<0.2",)))
    assert sound.problems == ()
    assert sound.records[0].warnings == ()
    assert (
        load(installed("old", plugin("old"), requires=(f"{spelt}>=7",))).problems[0].state == "incompatible"
    )
    assert "upper bound" in load(installed("b", plugin("b"), requires=(spelt,))).records[0].warnings[0]


def test_requirements_of_extras_and_other_platforms_dont_count() -> None:
    requires = (*BOUND, 'surely-not-installed; extra == "dev"', 'nor-this; sys_platform == "plan9"')
    assert load(installed("fine", plugin("fine"), requires=requires)).problems == ()


def test_a_missing_upper_bound_is_a_warning() -> None:
    found = load(installed("bold", plugin("bold"), requires=("computor-core>=0.1",)))
    assert state(found, "bold") is PluginState.ACTIVE
    assert "upper bound" in found.records[0].warnings[0]


def test_an_enabled_plugin_that_isnt_installed_is_missing_with_the_nearest_name() -> None:
    found = load(installed("storage_minio", plugin("storage_minio")), enabled=["storage_mini"])
    assert state(found, "storage_mini") is PluginState.MISSING
    assert found.problems[0].hint == "did you mean 'storage_minio'?"


@pytest.mark.parametrize(
    "error", [ImportError("no module named x"), SystemExit(3), ZeroDivisionError("oops")]
)
def test_a_plugin_that_fails_to_import_doesnt_hurt_the_others(error: BaseException) -> None:
    found = load(installed("broken", error), installed("sound", plugin("sound")))
    assert state(found, "broken") is PluginState.FAILED
    assert state(found, "sound") is PluginState.ACTIVE
    assert type(error).__name__ in found.problems[0].message
    assert found.problems[0].distribution == "dist-broken"


class NoMeta:
    """A class without meta."""


class Needy:
    """A class whose constructor wants something."""

    meta: ClassVar[PluginMeta] = PluginMeta(name="odd", summary="")

    def __init__(self, wanted: int) -> None: ...


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (lambda: None, "isn't a class"),
        (NoMeta, "no attribute meta"),
        (Needy, "TypeError"),
        (plugin("other"), "its meta.name is 'other'"),
    ],
)
def test_an_entry_that_is_no_plugin_is_refused(value: Any, says: str) -> None:
    found = load(installed("odd", value))
    assert state(found, "odd") is PluginState.FAILED
    assert says in found.problems[0].message


def test_reserved_and_malformed_names_are_refused() -> None:
    found = load(installed("core", plugin("core")), installed("Bad-Name", plugin("Bad-Name")))
    assert {record.state for record in found.records} == {PluginState.FAILED}


def test_one_name_from_two_distributions_is_a_conflict_that_names_both() -> None:
    one = installed("twin", plugin("twin"), dist="dist-one")
    other = installed("twin", plugin("twin"), dist="dist-other")
    found = load(one, other, enabled=["twin"])
    assert state(found, "twin") is PluginState.CONFLICT
    assert "dist-one and dist-other" in found.problems[0].message
    assert cast("Any", one.entry_point).loads == 0


# --- order and requirements --------------------------------------------------------------------


def test_config_order_is_the_order_of_everything() -> None:
    items = [installed(name, plugin(name, storage_backends=storage(name))) for name in ("b", "a", "c")]
    found = load(*items, enabled=["c", "b", "a"])
    assert [active.name for active in found.active] == ["c", "b", "a"]
    assert list(found.registries.storage_backends) == ["c", "b", "a"]


def test_a_required_plugin_must_be_enabled() -> None:
    found = load(installed("child", plugin("child", requires=("parent",))))
    assert state(found, "child") is PluginState.MISSING
    assert "requires plugin 'parent', which isn't enabled" in found.problems[0].message
    assert "before 'child'" in found.problems[0].hint


def test_a_required_plugin_must_come_first() -> None:
    items = (installed("child", plugin("child", requires=("parent",))), installed("parent", plugin("parent")))
    found = load(*items, enabled=["child", "parent"])
    assert "which comes after it" in found.problems[0].message
    assert load(*items, enabled=["parent", "child"]).problems == ()


def test_plugins_that_require_each_other_cant_both_come_first() -> None:
    one, two = plugin("one", requires=("two",)), plugin("two", requires=("one",))
    found = load(installed("one", one), installed("two", two))
    assert found.active == ()
    assert [problem.plugin for problem in found.problems] == ["one", "two"]


def test_what_requires_a_broken_plugin_says_so() -> None:
    found = load(
        installed("parent", ImportError("x")), installed("child", plugin("child", requires=("parent",)))
    )
    assert "which is failed" in found.problems[1].message


def test_conflicting_plugins_are_told_from_either_side() -> None:
    quiet, loud = plugin("quiet"), plugin("loud", conflicts=("quiet",))
    for order in (["quiet", "loud"], ["loud", "quiet"]):
        found = load(installed("quiet", quiet), installed("loud", loud), enabled=order)
        assert state(found, order[1]) is PluginState.CONFLICT
        assert f"conflicts with plugin '{order[0]}' (dist-{order[0]})" in found.problems[0].message


# --- hooks ----------------------------------------------------------------------------------------


class Misspelt:
    meta: ClassVar[PluginMeta] = PluginMeta(name="odd", summary="")

    @hookimpl
    def computor_storage_backend(self) -> list[Any]:
        return []


class Unmarked:
    meta: ClassVar[PluginMeta] = PluginMeta(name="odd", summary="")

    def computor_commands(self) -> list[Any]:
        return []


class UnmarkedAndMisspelt:
    meta: ClassVar[PluginMeta] = PluginMeta(name="odd", summary="")

    def computor_command(self) -> list[Any]:
        return []


class Curious:
    meta: ClassVar[PluginMeta] = PluginMeta(name="odd", summary="")

    @hookimpl
    def computor_commands(self, app: object) -> list[Any]:
        return []


class Wrapper:
    meta: ClassVar[PluginMeta] = PluginMeta(name="odd", summary="")

    @hookimpl(wrapper=True)
    def computor_commands(self) -> Iterator[Any]:
        return (yield)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (
            Misspelt,
            "computor_storage_backend is no hook of Computor; did you mean computor_storage_backends?",
        ),
        (Unmarked, "computor_commands isn't marked with hookimpl"),
        (UnmarkedAndMisspelt, "computor_command is no hook"),
        (Curious, "app"),
        (Wrapper, "computor_commands is a wrapper"),
    ],
)
def test_a_hook_that_can_never_be_called_is_refused(value: type, says: str) -> None:
    found = load(installed("odd", value))
    assert state(found, "odd") is PluginState.FAILED
    assert says in found.problems[0].message


def lazily() -> Iterator[CommandRegistration]:
    yield CommandRegistration("one", "a:b", "s")
    raise LookupError("too late")


@pytest.mark.parametrize(
    ("result", "says"),
    [
        (ValueError("no luck"), "computor_commands raised ValueError: no luck"),
        (lazily, "computor_commands raised LookupError: too late"),
        (SystemExit(1), "computor_commands raised SystemExit"),
        (storage("x"), "computor_commands returned StorageBackendRegistration where CommandRegistration"),
        (CommandRegistration("one", "a:b", "s"), "an iterable of registrations is expected"),
        ("text", "an iterable of registrations is expected, not str"),
    ],
)
def test_a_hook_that_fails_takes_only_its_plugin_out(result: Any, says: str) -> None:
    bad = plugin("bad", storage_backends=storage("bad"), commands=result)
    found = load(installed("bad", bad), installed("good", plugin("good", storage_backends=storage("good"))))
    assert says in found.problems[0].message
    assert list(found.registries.storage_backends) == ["good"], "nothing of a failed plugin stays"


def test_hook_calls_can_be_traced(capsys: pytest.CaptureFixture[str]) -> None:
    item = installed("attic", plugin("attic", storage_backends=storage("attic")))
    Loader(core_version="0.1.0", trace=True).load(["attic"], [item])
    said = capsys.readouterr().err
    assert "hook computor_storage_backends: asking attic" in said
    assert "StorageBackendRegistration(type='attic'" in said


# --- rules and conflicts ----------------------------------------------------------------------------


def router(**changes: Any) -> list[RouterRegistration]:
    return [RouterRegistration(**{"name": "r", "target": "a:b", "access": "session", **changes})]


@pytest.mark.parametrize(
    ("hooks", "says"),
    [
        (
            {"commands": [CommandRegistration("go", "not a target", "s")]},
            "isn't of the form 'package.module:name'",
        ),
        ({"commands": [CommandRegistration("Go!", "a:b", "s")]}, "command 'Go!' must be lower-case"),
        ({"storage_backends": storage("S3")}, "storage type 'S3' must be lower-case"),
        ({"workflows": [WorkflowRegistration("odd.w", 0, "a:b")]}, "versions count from 1"),
        ({"routers": router(access="")}, "has access ''"),
        ({"routers": router(kind="wsgi")}, "is of kind 'wsgi'"),
        ({"routers": router(access="own")}, "which is for kind 'asgi'"),
        ({"routers": router(mount="/x")}, "names a mount"),
        ({"routers": router(kind="asgi")}, "has mount None"),
        ({"routers": router(kind="asgi", mount="/api/v1")}, "has mount '/api/v1'"),
        ({"routers": router(kind="asgi", mount="/../etc")}, "has mount"),
        ({"routers": router(kind="asgi", mount="/a/b")}, "needs a top-level one"),
    ],
)
def test_registrations_keep_the_rules(hooks: dict[str, Any], says: str) -> None:
    found = load(installed("odd", plugin("odd", **hooks)))
    assert state(found, "odd") is PluginState.FAILED
    assert says in found.problems[0].message


def action(name: str) -> dict[str, Any]:
    return {"actions": [ActionRegistration(name, "s", ActionAxis.CONTENT)]}


def role(name: str) -> dict[str, Any]:
    return {"roles": [RoleRegistration(name, ScopeKind.COURSE, "t", frozenset())]}


DTOS = {"get": None, "list": None, "query": None}


def entity(endpoint: str) -> dict[str, Any]:
    interface = type(
        "Notes", (EntityInterface,), {"endpoint": endpoint, "get": None, "list": None, "query": None}
    )
    return {"entities": [EntityRegistration(interface, "computor_core.model:User", "s", {})]}


def durable(
    workflow: str = "notes.tidy", step: str = "notes.sweep", handler: str = "notes.hear"
) -> dict[str, Any]:
    return {
        "workflows": [WorkflowRegistration(workflow, 1, "a:b"), StepRegistration(step, "a:b")],
        "event_handlers": [EventHandlerRegistration("x.y", "a:b", HandlerTiming.AFTER_COMMIT, handler)],
    }


@pytest.mark.parametrize(
    ("hooks", "says"),
    [
        (action("note.read"), "action 'note.read' must carry a plugin's name"),
        (action("other:note.read"), "action 'other:note.read' must begin with 'notes:'"),
        (action("notes:read"), "action 'notes:read' isn't of the form"),
        (action("notes:Note.read"), "isn't of the form"),
        (role("editor"), "role 'editor' must begin with 'notes_'"),
        (role("_editor"), "role '_editor' must begin with 'notes_'"),
        (entity("notes"), "endpoint 'notes' must begin with 'x/notes/'"),
        (entity("x/other/notes"), "endpoint 'x/other/notes' must begin with 'x/notes/'"),
        (
            durable(workflow="tidy"),
            "workflow 'tidy' must be dotted lower-case words that begin with 'notes.'",
        ),
        (durable(workflow="submission.test"), "workflow 'submission.test' must be"),
        (durable(step="submission.settle"), "step 'submission.settle' must be"),
        (
            durable(handler="core.provide_for_new_member"),
            "event handler 'core.provide_for_new_member' must",
        ),
        (durable(handler="notes.Hear"), "event handler 'notes.Hear' must be"),
    ],
)
def test_what_a_plugin_names_carries_its_name(hooks: dict[str, Any], says: str) -> None:
    assert says in load(installed("notes", plugin("notes", **hooks))).problems[0].message


@pytest.mark.parametrize(
    "hooks", [action("notes:note.read"), role("notes_editor"), entity("x/notes/notes"), durable()]
)
def test_names_that_carry_the_plugins_name_are_fine(hooks: dict[str, Any]) -> None:
    assert load(installed("notes", plugin("notes", **hooks))).problems == ()


@pytest.mark.parametrize(
    ("hooks", "says"),
    [(action("core:note.read"), "must not carry a plugin's name"), (role("editor"), "must begin with '_'")],
)
def test_core_keeps_rules_of_its_own(hooks: dict[str, Any], says: str) -> None:
    found = Loader(core_version="0.1.0").load([], [], builtin=plugin("core", **hooks)())
    assert says in found.problems[0].message


class Explosive:
    meta: ClassVar[PluginMeta] = PluginMeta(name="odd", summary="")

    @property
    def computor_thing(self) -> Any:
        raise SystemExit(4)


def test_a_plugin_object_that_ends_the_process_is_a_problem_like_any_other() -> None:
    found = load(installed("odd", Explosive), installed("good", plugin("good")))
    assert [problem.plugin for problem in found.problems] == ["odd"]
    assert state(found, "good") is PluginState.ACTIVE


def test_a_plugin_has_one_lineage() -> None:
    lineages = [MigrationRegistration("a.migrations", "json"), MigrationRegistration("b.migrations", "json")]
    found = load(installed("notes", plugin("notes", migrations=lineages)))
    assert "has one migration lineage" in found.problems[0].message


def test_all_broken_rules_of_a_plugin_are_told_at_once() -> None:
    commands = [CommandRegistration("A", "a:b", "s"), CommandRegistration("B", "a:b", "s")]
    assert len(load(installed("odd", plugin("odd", commands=commands))).problems) == 2


def git(kind: str) -> list[GitHostRegistration]:
    return [GitHostRegistration(type=kind, factory="a:b", summary="s")]


@pytest.mark.parametrize(
    ("first", "second", "what"),
    [
        ({"storage_backends": storage("s3")}, {"storage_backends": storage("s3")}, "storage type 's3'"),
        (
            {"routers": router(kind="asgi", mount="/git")},
            {"routers": router(kind="asgi", mount="/git")},
            "mount '/git'",
        ),
    ],
)
def test_a_name_claimed_twice_names_both_distributions(
    first: dict[str, Any], second: dict[str, Any], what: str
) -> None:
    found = load(installed("one", plugin("one", **first)), installed("two", plugin("two", **second)))
    assert state(found, "one") is PluginState.ACTIVE
    assert state(found, "two") is PluginState.CONFLICT
    message = found.problems[0].message
    assert what in message
    assert "one (dist-one)" in message
    assert "two (dist-two)" in message


@pytest.mark.parametrize(
    ("registration", "what"),
    [
        (
            WorkflowRegistration("submission.test", 1, "c:d"),
            "workflow 'submission.test@1' is registered by both",
        ),
        (WorkflowRegistration("submission.test", 3, "c:d"), "workflow 'submission.test' belongs to core"),
        (StepRegistration("submission.settle", "c:d"), "step 'submission.settle' is registered by both core"),
    ],
)
def test_nobody_takes_over_what_is_anothers_however_they_are_called(registration: Any, what: str) -> None:
    core = plugin(
        "core",
        workflows=[
            WorkflowRegistration("submission.test", 1, "a:b"),
            StepRegistration("submission.settle", "a:b"),
        ],
    )
    item = installed("submission", plugin("submission", workflows=[registration]))
    found = Loader(core_version="0.1.0").load(["submission"], [item], builtin=core())
    assert state(found, "submission") is PluginState.CONFLICT
    assert what in found.problems[0].message
    assert "submission (dist-submission)" in found.problems[0].message


def test_a_plugin_may_have_several_versions_of_a_workflow() -> None:
    versions = [WorkflowRegistration("notes.tidy", number, "a:b") for number in (1, 2)]
    assert load(installed("notes", plugin("notes", workflows=versions))).problems == ()


def test_a_plugin_that_registers_a_name_twice_is_refused() -> None:
    found = load(installed("one", plugin("one", storage_backends=storage("a") * 2)))
    assert "registered twice by one" in found.problems[0].message


def test_equal_names_at_different_seams_or_plugins_are_no_conflict() -> None:
    one = plugin("one", storage_backends=storage("local"), commands=[CommandRegistration("go", "a:b", "s")])
    two = plugin("two", git_hosts=git("local"), commands=[CommandRegistration("go", "a:b", "s")])
    assert load(installed("one", one), installed("two", two)).problems == ()


def test_registries_are_frozen() -> None:
    registries = load(installed("attic", plugin("attic", storage_backends=storage("attic")))).registries
    with pytest.raises(TypeError):
        registries.storage_backends["other"] = registries.storage_backends["attic"]  # type: ignore[index]
    with pytest.raises(AttributeError):
        registries.storage_backends = {}  # type: ignore[misc]


def test_one_error_lists_every_problem() -> None:
    found = load(installed("a", ImportError("x")), installed("b", NoMeta), enabled=["a", "b", "c"])
    with pytest.raises(PluginError) as caught:
        found.require_sound()
    assert caught.value.exit_status == 78
    assert "3 plugin problems" in caught.value.message
    problems = cast("list[dict[str, Any]]", caught.value.details["problems"])
    assert [(item["plugin"], item["state"]) for item in problems] == [
        ("a", "failed"),
        ("b", "failed"),
        ("c", "missing"),
    ]


def test_each_application_has_plugin_objects_of_its_own() -> None:
    item = installed("attic", plugin("attic"))
    assert load(item).active[0].plugin is not load(item).active[0].plugin
