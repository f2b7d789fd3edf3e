"""Rules: what is compiled, what is refused at the start, and that everything else is denied."""

from __future__ import annotations

import logging
from uuid import uuid4

import pytest

from computor_core.access.engine import AccessEngine
from computor_core.catalogue import actions, roles
from computor_core.errors import ConfigurationError
from computor_core.model import Artifact, Course, SubmissionGroupMember
from computor_core.plugin_api.access import (
    AccessRuleRegistration,
    Branch,
    Comparison,
    ScopeKind,
    branch,
    everyone,
    own,
    scope_of,
    sql,
    via,
    where,
)
from computor_core.plugin_api.principal import Grant, Principal, PrincipalKind

TABLES = {
    "courses": Course.__table__,
    "artifacts": Artifact.__table__,
    "submission-group-members": SubmissionGroupMember.__table__,
}
COURSE = branch("role", scope_of(ScopeKind.COURSE, "id"))


def engine(*rules: AccessRuleRegistration) -> AccessEngine:
    return AccessEngine(
        actions=actions.registrations(),
        roles=roles.registrations(),
        rules=rules,
        tables=TABLES,  # type: ignore[arg-type]
        read_actions={"courses": "course.read"},
    )


def rule(endpoint: str, action: str, *branches: Branch) -> AccessRuleRegistration:
    return AccessRuleRegistration(endpoint, action, branches)


def caller(role: str, *, scopes: frozenset[str] | None = None) -> Principal:
    scope = ScopeKind.COURSE if role.startswith("course:") else ScopeKind.GLOBAL
    grant = Grant(scope, uuid4() if scope is ScopeKind.COURSE else None, role)
    return Principal(kind=PrincipalKind.USER, user_id=uuid4(), epoch=1, scopes=scopes, grants=(grant,))


# --- broken rules stop the start --------------------------------------------------------------


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (rule("nothing", "course.read", COURSE), "names an unknown entity"),
        (rule("courses", "course.read", branch("b", own("colour"))), r"courses\.colour, which isn't there"),
        (
            rule("courses", "course.read", branch("b", everyone(), where("colour", Comparison.NULL))),
            r"courses\.colour, which isn't there",
        ),
        (rule("courses", "course.read", COURSE, COURSE), "two branches 'role'"),
        (
            rule("courses", "course.read", branch("b", where("archived_at", Comparison.NULL))),
            "doesn't say who the caller is",
        ),
        (rule("courses", "course.read", branch("b", everyone(), sql("computor_core:nothing"))), "nothing"),
        (rule("courses", "course.read", branch("b", everyone(), sql("nowhere"))), "nowhere"),
        (
            rule("artifacts", "submission.read", branch("b", via("course_id", "courses"))),
            "submission.read on courses, for which there is none",
        ),
        (
            rule("courses", "course.read", branch("b", via("id", "courses", only=("c",)))),
            "branch 'c' of the rule for course.read on courses, which has none of that name",
        ),
        (
            rule("courses", "course.read", branch("b", via("id", "courses"))),
            "branch 'b' of the rule for course.read on courses depends on itself",
        ),
    ],
)
def test_a_broken_rule_stops_the_start(broken: AccessRuleRegistration, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        engine(broken)


def test_all_broken_rules_are_told_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        engine(
            rule("nothing", "course.read", COURSE), rule("courses", "course.read", branch("b", own("colour")))
        )
    problems = caught.value.details["problems"]
    assert isinstance(problems, list)
    assert len(problems) == 2


def test_branches_of_two_rules_may_refer_to_each_other_without_a_circle() -> None:
    """Members see their groups, and groups make their members see each other."""
    made = engine(
        rule(
            "submission-group-members",
            "submission.read",
            branch("own", own("user_id")),
            branch(
                "team", via("submission_group_id", "artifacts", target="submission_group_id", only=("own",))
            ),
        ),
        rule(
            "artifacts",
            "submission.read",
            branch(
                "own",
                via(
                    "submission_group_id",
                    "submission-group-members",
                    target="submission_group_id",
                    only=("own",),
                ),
            ),
        ),
    )
    found = made.rules.get("submission-group-members", "submission.read")
    assert found is not None
    assert [arm.branch for arm in found.arms] == ["own", "team"]


# --- what adds up -----------------------------------------------------------------------------


def test_registrations_for_the_same_action_add_up() -> None:
    made = engine(
        rule("courses", "course.read", COURSE),
        rule("courses", "course.read", branch("x", everyone())),
        AccessRuleRegistration("courses", "course.read", deny=(where("archived_at", Comparison.NOT_NULL),)),
    )
    found = made.rules.get("courses", "course.read")
    assert found is not None
    assert {arm.branch for arm in found.arms} == {"role", "x"}
    assert len(found.deny) == 1


def test_a_scope_branch_has_an_arm_for_every_level_above() -> None:
    found = engine(rule("courses", "course.read", COURSE)).rules.get("courses", "course.read")
    assert found is not None
    levels = [level for arm in found.arms for level, _ in arm.needs]
    assert levels == [ScopeKind.COURSE, ScopeKind.FAMILY, ScopeKind.ORGANIZATION, ScopeKind.GLOBAL]


# --- default deny -----------------------------------------------------------------------------


def test_an_action_without_a_rule_reaches_nothing() -> None:
    assert engine().select(caller("_admin"), "course.read", "courses").empty


def test_an_unknown_action_is_denied_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    made = engine(rule("courses", "course.fly", branch("b", everyone())))
    with caplog.at_level(logging.WARNING):
        for principal in (caller("_admin"), caller("course:_student")):
            assert made.select(principal, "course.fly", "courses").empty
    assert [record.getMessage() for record in caplog.records] == ["unknown action denied"]
    assert caplog.records[0].__dict__["action"] == "course.fly"


def test_not_even_a_system_principal_does_what_is_unknown() -> None:
    made = engine(rule("courses", "course.fly", branch("b", everyone())))
    assert made.select(Principal.system("x"), "course.fly", "courses").empty


def test_a_system_principal_passes_every_rule() -> None:
    selection = engine(rule("courses", "course.read", COURSE)).select(
        Principal.system("x"), "course.read", "courses"
    )
    assert selection.unlimited
    assert not selection.empty


def test_nobody_gets_nothing_unless_it_is_open_to_everybody() -> None:
    made = engine(
        rule("courses", "course.read", COURSE, branch("signed_in", everyone())),
        rule("courses", "content.read", branch("open", everyone(anonymous=True))),
    )
    assert made.select(Principal.anonymous(), "course.read", "courses").empty
    assert not made.select(Principal.anonymous(), "content.read", "courses").empty


# --- what a caller can have -------------------------------------------------------------------


def test_only_the_levels_that_the_caller_has_roles_at_are_asked() -> None:
    made = engine(rule("courses", "course.read", COURSE))
    student = made.select(caller("course:_student"), "course.read", "courses")
    assert [level for arm in student.arms for level, _ in arm.needs] == [ScopeKind.COURSE]
    assert made.select(caller("course:_student"), "course.delete", "courses").empty


def test_a_global_role_makes_the_other_branches_needless() -> None:
    made = engine(rule("courses", "course.read", COURSE, branch("x", own("created_by"))))
    admin = made.select(caller("_admin"), "course.read", "courses")
    assert [arm.covers_all for arm in admin.arms] == [True]


def test_a_token_is_limited_to_its_actions_those_inside_a_branch_too() -> None:
    made = engine(
        rule(
            "courses",
            "content.read",
            branch("staff", scope_of(ScopeKind.COURSE, "id", "content.read_unreleased")),
            branch("member", scope_of(ScopeKind.COURSE, "id")),
        )
    )

    def branches(*scopes: str) -> list[str]:
        principal = caller("course:_lecturer", scopes=frozenset(scopes))
        return [arm.branch for arm in made.select(principal, "content.read", "courses").arms]

    assert branches() == []
    assert branches("course.read") == []
    assert branches("content.read_unreleased") == []
    assert branches("content.read") == ["member"]
    assert branches("content.read", "content.read_unreleased") == ["staff", "member"]


# --- in memory --------------------------------------------------------------------------------


def test_can_looks_at_the_scope_and_above() -> None:
    made = engine()
    principal = caller("course:_tutor")
    (course,) = [grant.scope_id for grant in principal.grants]
    assert made.can(principal, "grade.write", ScopeKind.COURSE, course)
    assert not made.can(principal, "grade.write", ScopeKind.COURSE, uuid4())
    assert not made.can(principal, "grade.publish", ScopeKind.COURSE, course)
    assert not made.can(principal, "grade.write", ScopeKind.GLOBAL)


def test_can_reaches_down_from_above() -> None:
    made, organization, course = engine(), uuid4(), uuid4()
    owner = Principal(
        kind=PrincipalKind.USER,
        user_id=uuid4(),
        grants=(Grant(ScopeKind.ORGANIZATION, organization, "organization:_owner", "o"),),
    )
    assert made.can(owner, "grade.write", ScopeKind.COURSE, course, above=[uuid4(), organization])
    assert not made.can(owner, "grade.write", ScopeKind.COURSE, course, above=[uuid4()])


def test_can_never_goes_beyond_the_token() -> None:
    limited = caller("_admin", scopes=frozenset({"course.read"}))
    assert engine().can(limited, "course.read", ScopeKind.GLOBAL)
    assert not engine().can(limited, "course.delete", ScopeKind.GLOBAL)


def test_can_is_true_for_the_system_and_false_for_nobody() -> None:
    assert engine().can(Principal.system("x"), "course.delete", ScopeKind.COURSE, uuid4())
    assert not engine().can(Principal.anonymous(), "course.read", ScopeKind.COURSE, uuid4())


def test_a_principal_knows_its_roles_by_scope() -> None:
    course = uuid4()
    principal = Principal(
        kind=PrincipalKind.USER,
        grants=(
            Grant(ScopeKind.COURSE, course, "course:_tutor"),
            Grant(ScopeKind.COURSE, course, "course:x"),
            Grant(ScopeKind.GLOBAL, None, "_auditor"),
        ),
    )
    assert principal.roles_at == {course.int: {"course:_tutor", "course:x"}, None: {"_auditor"}}
    assert principal.role_ids == {"course:_tutor", "course:x", "_auditor"}
