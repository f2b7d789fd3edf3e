"""Core's actions and roles agree with the hand-written rights and with each other."""

from __future__ import annotations

from itertools import pairwise

import pytest

from computor_core.access.vocabulary import Vocabulary
from computor_core.catalogue import actions, roles, rules
from computor_core.errors import ConfigurationError
from computor_core.plugin_api.principal import ScopeKind
from computor_core.plugin_api.registrations import ActionAxis, RoleRegistration
from tests.security import rights

AXES = {action.name: action.axis for action in actions.registrations()}
ROLES = {role.id: role.actions for role in roles.registrations()}


def test_every_role_contains_exactly_what_the_rights_say() -> None:
    written = {
        role: frozenset(AXES) if rights.EVERYTHING in contained else contained
        for role, contained in rights.roles().items()
    }
    assert written == ROLES


def test_the_rights_name_only_actions_that_exist() -> None:
    named = frozenset().union(*rights.roles().values()) - {rights.EVERYTHING}
    assert named <= AXES.keys()


def test_course_roles_are_cumulative() -> None:
    ladder = ["_student", "_tutor", "_lecturer", "_maintainer", "_owner"]
    for lesser, greater in pairwise(ladder):
        assert ROLES[f"course:{lesser}"] < ROLES[f"course:{greater}"]


@pytest.mark.parametrize(
    ("above", "below"),
    [
        ("organization:_owner", "family:_owner"),
        ("family:_owner", "course:_owner"),
        ("organization:_manager", "course:_maintainer"),
        ("family:_manager", "course:_maintainer"),
    ],
)
def test_inheritance_downward_is_containment(above: str, below: str) -> None:
    assert ROLES[below] <= ROLES[above]


@pytest.mark.parametrize("role", ["organization:_manager", "family:_manager"])
def test_a_manager_is_no_course_owner(role: str) -> None:
    assert not ROLES[role] & {"course.update", "course.archive", "course.delete"}


@pytest.mark.parametrize("role", ["organization:_developer", "family:_developer"])
def test_a_developer_has_a_lecturers_content_actions_and_no_student_data(role: str) -> None:
    held = ROLES[role]
    assert {a for a in ROLES["course:_lecturer"] if AXES[a] is ActionAxis.CONTENT} <= held
    assert not any(AXES[action] is ActionAxis.STUDENT_DATA for action in held)


@pytest.mark.parametrize("scope", ["organization", "family"])
def test_managers_can_appoint_everybody_up_to_managers(scope: str) -> None:
    assert ROLES[f"{scope}:_developer"] <= ROLES[f"{scope}:_manager"]


def test_every_action_reaches_something_and_every_rule_names_an_action() -> None:
    about_no_row = {"metrics.read"}  # asked globally: a host's metrics are no entity
    assert {rule.action for rule in rules.registrations()} == AXES.keys() - about_no_row


def test_the_administrators_role_contains_the_actions_of_plugins_too() -> None:
    extra = [
        *actions.registrations(),
        type(actions.registrations()[0])("x:thing.read", "x", ActionAxis.CONTENT),
    ]
    vocabulary = Vocabulary(extra, roles.registrations())
    assert "x:thing.read" in vocabulary.actions_of("_admin")
    assert "x:thing.read" not in vocabulary.actions_of("course:_owner")


def test_a_role_that_only_looks_like_the_administrators_contains_what_it_says() -> None:
    lookalike = RoleRegistration("x_admin", ScopeKind.GLOBAL, "Looks like it", frozenset({"user.read"}))
    vocabulary = Vocabulary(actions.registrations(), [*roles.registrations(), lookalike])
    assert vocabulary.actions_of("x_admin") == {"user.read"}


def test_a_role_with_an_unknown_action_stops_the_start() -> None:
    role = RoleRegistration("_x", ScopeKind.COURSE, "X", frozenset({"course.fly"}))
    with pytest.raises(ConfigurationError, match=r"course:_x contains the unknown action course\.fly"):
        Vocabulary(actions.registrations(), [role])
