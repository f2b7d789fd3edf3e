"""A plugin author's mistakes: each is told as one problem of that plugin, and none hides another.

All plugins here are installed and enabled side by side, with a sound one among them, and looked
at in one go, as an operator does.
"""

import json
import textwrap
from pathlib import Path
from typing import Any

import pytest

from tests.plugin_sites import run_computor

HOOKS = """
from computor_core.plugin_api import *
from computor_core.plugin_api.entities import *
from computor_core.plugin_api.access import *
"""
SUMMARY = "summary='s'"


class Mistake:
    """A plugin with one mistake.

    Args:
        says: What its problem must say.
        hook: The hook that it implements, without its prefix; "" for none.
        returns: What the hook returns; ``{p}`` stands for the plugin's name, also in files.
        meta: Further arguments of its ``PluginMeta``.
        files: Further modules of its package.
    """

    def __init__(
        self,
        says: str,
        hook: str = "",
        returns: str = "[]",
        meta: str = "",
        files: dict[str, str] | None = None,
    ) -> None:
        self.says = says
        self.files = files or {}
        self.source = f"{HOOKS}\nclass Plugin:\n    meta = PluginMeta(name='{{p}}', {SUMMARY}{meta})\n"
        if hook:
            self.source += f"    @hookimpl\n    def computor_{hook}(self):\n        return {returns}\n"


def entity(says: str, *, files: dict[str, str] | None = None, **changes: str) -> Mistake:
    """A sound entity in which arguments of its registration, or whole files, are replaced."""
    arguments = {
        "interface": "Things",
        "model": "'{p}_pkg.tables:Thing'",
        "summary": "'s'",
        "access": "{Operation.LIST: 'course.read', Operation.GET: 'course.read',"
        " Operation.CREATE: 'course.update'}",
        "rules": "tuple(AccessRuleRegistration('x/{p}/things', action, (branch('course',"
        " scope_of(ScopeKind.COURSE, 'course_id')),)) for action in ('course.read', 'course.update'))",
        "refs": "(Ref('course_id', 'courses', 'course.update', parent=True),)",
        "sort": "('created_at',)",
    }
    written = ", ".join(f"{name}={value}" for name, value in (arguments | changes).items())
    found = Mistake(says, "migrations", "[MigrationRegistration('{p}_pkg.migrations', '{p}_pkg.tables')]")
    found.source += (
        "    @hookimpl\n    def computor_entities(self):\n        from {p}_pkg.interfaces import Things\n"
        f"        return [EntityRegistration({written})]\n"
    )
    found.files = {**ENTITY_FILES, **(files or {})}
    return found


ENTITY_FILES = {
    "migrations/__init__.py": "",
    "migrations/versions/.keep": "",
    "interfaces.py": """
        from uuid import UUID
        from pydantic import Field
        from computor_core.interfaces import *
        class Create(CreateDto):
            "A new one."
            course_id: UUID = Field(description="x")
            text: str = Field(description="x")
        class Get(ReadDto):
            "One."
            id: UUID = Field(description="x")
            text: str = Field(description="x")
        class Things(EntityInterface):
            endpoint = "x/{p}/things"
            create, get, list, query = Create, Get, Get, ListQuery
        """,
    "tables.py": """
        from uuid import UUID
        from sqlalchemy import ForeignKey, String
        from sqlalchemy.orm import Mapped, mapped_column
        from computor_core.plugin_api.db import Base, EntityMixin
        class Thing(EntityMixin, Base):
            __tablename__ = "{p}_thing"
            __table_args__ = ({"info": {"owner": "{p}"}},)
            course_id: Mapped[UUID] = mapped_column(ForeignKey("course.id", ondelete="CASCADE"))
            text: Mapped[str] = mapped_column(String(200))
        """,
}


def changed(file: str, old: str, new: str) -> dict[str, str]:
    """A file of the sound entity with something else in it."""
    assert old in ENTITY_FILES[file]
    return {file: ENTITY_FILES[file].replace(old, new)}


def handler(code: str, *, event: str = "entity.created", says: str) -> Mistake:
    registration = (
        f"EventHandlerRegistration('{event}', '{{p}}_pkg.h:f', HandlerTiming.AFTER_COMMIT, '{{p}}.h')"
    )
    return Mistake(says, "event_handlers", f"[{registration}]", files={"h.py": code})


FLOW = """
    from computor_core.plugin_api.workflows import Settlement, Step, WorkflowContext, workflow
    work = Step[str, str]("{p}.work")
    settle = Step[Settlement, None]("{p}.settle")
    @workflow("{p}.flow", version=1, finalizer=settle)
    async def flow(ctx: WorkflowContext, request: str) -> str:
        return await ctx.step(work, request)
"""
STEPS = "async def work(ctx, request): ...\nasync def settle(ctx, settlement): ...\n"


def flow(says: str, *, definition: str = FLOW, steps: str = STEPS) -> Mistake:
    registered = "WorkflowRegistration('{p}.flow', 1, '{p}_pkg.flow:flow'), " + ", ".join(
        f"StepRegistration('{{p}}.{name}', '{{p}}_pkg.steps:{name}')" for name in ("work", "settle")
    )
    return Mistake(says, "workflows", f"[{registered}]", files={"flow.py": definition, "steps.py": steps})


def router(code: str, *, says: str, more: str = "") -> Mistake:
    registration = f"RouterRegistration('r', '{{p}}_pkg.r:router', 'session'{more})"
    return Mistake(says, "routers", f"[{registration}]", files={"r.py": code})


def model(code: str, *, says: str) -> Mistake:
    return Mistake(says, meta=", settings='{p}_pkg.s:S'", files={"s.py": code})


def provider(target: str, *, says: str, files: dict[str, str] | None = None) -> Mistake:
    registration = f"StorageBackendRegistration('{{p}}', '{target}', {SUMMARY})"
    return Mistake(says, "storage_backends", f"[{registration}]", files=files)


MISTAKES = {
    # What fields hold
    "unnamed": Mistake(
        "ActionRegistration.name is None", "actions", "[ActionRegistration(None, 's', ActionAxis.CONTENT)]"
    ),
    "settings_class": Mistake("PluginMeta.settings is the class int", meta=", settings=int"),
    "requires_text": Mistake("PluginMeta.requires is 'auth_local' (str)", meta=", requires='auth_local'"),
    "class_model": entity("EntityRegistration.model is the class int", model="int"),
    "text_access": entity("where Mapping[Operation, str] is expected", access="{'list': 'course.read'}"),
    # What modules do when they are loaded
    "settings_raise": model("raise ValueError('no')", says="can't be imported: ValueError: no"),
    "settings_syntax": model("class S(:", says="can't be imported: SyntaxError"),
    "settings_exit": model("import sys; sys.exit(4)", says="can't be imported: SystemExit: 4"),
    "models_exit": entity("can't be imported: SystemExit: 5", files={"tables.py": "import sys; sys.exit(5)"}),
    "steps_exit": flow("can't be loaded: SystemExit: 7", steps="import sys; sys.exit(7)"),
    "router_exit": router("import sys; sys.exit(8)", says="the router 'r' can't be built: SystemExit: 8"),
    # What import strings lead to
    "no_handler": Mistake(
        "the event handler 'no_handler.h' can't be loaded: ModuleNotFoundError",
        "event_handlers",
        "[EventHandlerRegistration('entity.created', '{p}_pkg.x:f', HandlerTiming.AFTER_COMMIT, '{p}.h')]",
    ),
    "sync_handler": handler("def f(event, context): ...", says="sync_handler_pkg.h:f isn't async def"),
    "narrow_handler": handler(
        "async def f(event): ...", says="is called with 2 arguments, and doesn't take them"
    ),
    "no_event": handler(
        "async def f(event, context): ...", event="entity.creatd", says="did you mean 'entity.created'?"
    ),
    "sync_step": flow("steps:work isn't async def", steps=STEPS.replace("async def work", "def work")),
    "narrow_step": flow(
        "steps:work is called with 2 arguments", steps=STEPS.replace("(ctx, request)", "(ctx)")
    ),
    "sync_flow": flow(
        "flow:flow isn't async def", definition=FLOW.replace("async ", "").replace("await ", "")
    ),
    "unawaited": flow(
        "calls ctx.step without awaiting it",
        definition=FLOW.replace("return await ctx", "ctx.step(work, request)\n        return await ctx"),
    ),
    "no_command": entity(
        "the handler of command 'go' of x/no_command/things can't be loaded: AttributeError",
        commands="(Command('go', 's', None, None, 'course.read', '{p}_pkg.tables:nope'),)",
    ),
    "no_behavior": entity(
        "tables:Thing is no EntityBehavior: it has no inputs", behavior="'{p}_pkg.tables:Thing'"
    ),
    "no_lifespan": Mistake(
        "the lifespan can't be loaded: ModuleNotFoundError",
        "lifespan",
        "[LifespanRegistration('{p}_pkg.x:f')]",
    ),
    "no_router": Mistake(
        "the router 'r' can't be built: ModuleNotFoundError",
        "routers",
        "[RouterRegistration('r', '{p}_pkg.x:f', 'session')]",
    ),
    "router_kind": router("def router(context): return 3", says="the router 'r' is a int, not an APIRouter"),
    "router_action": router(
        """
        from computor_core.plugin_api.http import APIRouter, needs
        def router(context):
            routes = APIRouter()
            @routes.get("/one", openapi_extra=needs("nope:a.b"))
            async def one(): ...
            return routes
        """,
        says="GET /one needs the unknown action nope:a.b",
    ),
    "router_open": router(
        """
        from computor_core.plugin_api.http import APIRouter
        def router(context):
            routes, inner = APIRouter(), APIRouter()
            @inner.get("/one")
            async def one(): ...
            routes.include_router(inner, prefix="/deep")
            return routes
        """,
        says="GET /deep/one declares no access",
    ),
    "router_twice": router(
        """
        from computor_core.plugin_api.http import OWN, APIRouter
        def router(context):
            routes = APIRouter()
            for name in "ab":
                routes.add_api_route(f"/one/{{{name}}}", lambda: 1, openapi_extra=OWN)
            return routes
        """,
        says="GET /api/v1/x/router_twice/one/{b} is registered twice",
    ),
    "deep_mount": router(
        "def router(context): return print", more=", kind='asgi', mount='/a/b'", says="needs a top-level one"
    ),
    "no_factory": provider("{p}_pkg.x:f", says="and there is no module no_factory_pkg.x"),
    "misspelt_factory": provider(
        "{p}_pkg.f:opne", files={"f.py": "def open(): ..."}, says="misspelt_factory_pkg.f names no opne"
    ),
    "no_shell_command": Mistake(
        "the command 'go' is 'no_shell_command_pkg.x:f', and there is no module",
        "commands",
        "[CommandRegistration('go', '{p}_pkg.x:f', 's')]",
    ),
    # What belongs to somebody else
    "own_flow": Mistake(
        "'submission.test' must be dotted lower-case words that begin with 'own_flow.'",
        "workflows",
        "[WorkflowRegistration('submission.test', 3, 'a:b')]",
    ),
    "loose_table": entity(
        "table 'user_extra' names no owner",
        files={
            "tables.py": ENTITY_FILES["tables.py"]
            + """
        class Loose(Base):
            __tablename__ = "user_extra"
            id: Mapped[UUID] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), primary_key=True)
        """
        },
    ),
    # What doesn't fit together
    "misspelt_table": entity("leads nowhere", files=changed("tables.py", '"course.id"', '"cours.id"')),
    "no_versions": entity(
        "aren't in",
        files={"migrations/versions/.keep": None},  # type: ignore[dict-item]
    ),
    "bare_interface": entity(
        "the interface Things says no endpoint, get, list, query",
        files={"interfaces.py": "from computor_core.interfaces import *\nclass Things(EntityInterface): ..."},
    ),
    "unknown_action": Mistake(
        "role course:unknown_action_x contains the unknown action nope.read",
        "roles",
        "[RoleRegistration('{p}_x', ScopeKind.COURSE, 't', frozenset({'nope.read'}))]",
    ),
    "mutable_role": Mistake(
        "RoleRegistration.actions is ['course.read'] (list)",
        "roles",
        "[RoleRegistration('{p}_x', ScopeKind.COURSE, 't', ['course.read'])]",
    ),
    "no_rule": entity("but no rule says which rows of x/no_rule/things it reaches", rules="()"),
    "unfilled": entity(
        "column text can't be null, and nothing fills it when a row is created",
        files=changed(
            "interfaces.py",
            '"x")\n            text: str = Field(description="x")\n        class Get',
            '"x")\n        class Get',
        ),
    ),
    "other_type": entity(
        "field text of the create DTO is int, and its column holds str",
        files=changed(
            "interfaces.py",
            'text: str = Field(description="x")\n        class Get',
            'text: int = Field(description="x")\n        class Get',
        ),
    ),
    "nullable": entity(
        "field text of the get DTO can't be null, and its column can",
        files=changed("tables.py", "text: Mapped[str]", "text: Mapped[str | None]"),
    ),
}
SOUND = {"sound": entity(""), "sound_flow": flow("")}
TWICE = {"nullable": 2, "no_rule": 2, "steps_exit": 2, "loose_table": 2}
"""Mistakes that show in two places, in the get and in the list DTO for one."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All plugins, as an installer leaves them."""
    site = tmp_path_factory.mktemp("mistakes")
    for name, plugin in {**SOUND, **MISTAKES}.items():
        for file, source in {"__init__.py": "", "plugin.py": plugin.source, **plugin.files}.items():
            if source is not None:
                path = site / f"{name}_pkg" / file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(textwrap.dedent(source).replace("{p}", name))
        about = site / f"dist_{name}-1.0.dist-info"
        about.mkdir()
        requires = "Requires-Dist: Computor_Core>=0.1,<0.2"
        about.joinpath("METADATA").write_text(
            f"Metadata-Version: 2.1\nName: dist-{name}\nVersion: 1.0\n{requires}\n"
        )
        about.joinpath("entry_points.txt").write_text(
            f"[computor.plugins]\n{name} = {name}_pkg.plugin:Plugin\n"
        )
    return site


def deployment(folder: Path, *names: str) -> Path:
    """A folder whose settings enable these plugins."""
    (folder / "computor.toml").write_text(f"[plugins]\nenabled = {json.dumps(names)}\n")
    return folder


@pytest.fixture(scope="module")
def report(site: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The one report that most of these tests read, from one run of the command."""
    folder = deployment(tmp_path_factory.mktemp("all"), *MISTAKES, *SOUND)
    result = run_computor("plugins", "check", "--json", cwd=folder, site=site)
    assert result.returncode == 1, result.stdout + result.stderr
    assert result.stderr == ""
    loaded: dict[str, Any] = json.loads(result.stdout)
    return loaded


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_problem_that_names_its_plugin(report: dict[str, Any], name: str) -> None:
    found = [item for item in report["problems"] if item["plugin"] == name]
    assert len(found) == TWICE.get(name, 1), found
    for problem in found:
        assert problem["distribution"] == f"dist-{name}"
        assert problem["hint"]
    assert MISTAKES[name].says in found[0]["message"]
    (record,) = [item for item in report["plugins"] if item["name"] == name]
    assert record["state"] == found[0]["state"] != "active"


def test_nothing_is_held_against_the_sound_ones(report: dict[str, Any]) -> None:
    assert {item["plugin"] for item in report["problems"]} == set(MISTAKES)
    states = {item["name"]: item["state"] for item in report["plugins"]}
    assert {name for name, state in states.items() if state == "active"} == {"core", *SOUND}


RUDE = ("settings_exit", "models_exit", "steps_exit", "text_access", "misspelt_table", "no_command")
"""Plugins that would end the process, or whose mistake shows when it is composed."""


@pytest.mark.parametrize(
    ("words", "status"), [(("plugins", "list"), 0), (("plugins", "show", "steps_exit"), 0), (("doctor",), 1)]
)
def test_the_other_commands_live_with_broken_plugins(
    site: Path, tmp_path: Path, words: tuple[str, ...], status: int
) -> None:
    result = run_computor(*words, cwd=deployment(tmp_path, *RUDE), site=site)
    assert result.returncode == status, result.stderr
    assert result.stderr == ""
    assert "SystemExit: 7" in result.stdout


def test_a_host_refuses_to_start_with_all_of_them_named(site: Path, tmp_path: Path) -> None:
    result = run_computor("serve", cwd=deployment(tmp_path, *RUDE), site=site)
    assert result.returncode == 78, result.stderr
    assert "Traceback" not in result.stderr
    assert [name for name in RUDE if f"{name} (dist-{name})" not in result.stderr] == []


def test_a_host_refuses_to_start_with_routers_that_it_cant_serve(site: Path, tmp_path: Path) -> None:
    names = ("router_exit", "no_router", "router_kind", "router_action", "router_open")
    deployment(tmp_path, *names, "sound_flow")
    assert run_computor("db", "upgrade", cwd=tmp_path, site=site).returncode == 0
    result = run_computor("serve", "--port", "0", cwd=tmp_path, site=site)
    assert result.returncode == 78, result.stderr
    assert "Traceback" not in result.stderr
    assert [name for name in names if f"{name} (dist-{name})" not in result.stderr] == []
