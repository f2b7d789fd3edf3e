"""Core's access rules: which rows each action reaches."""

from __future__ import annotations

from computor_core.catalogue import actions
from computor_core.plugin_api.access import (
    AccessRuleRegistration,
    Branch,
    Comparison,
    Condition,
    ScopeKind,
    SqlCondition,
    Via,
    branch,
    everyone,
    inside,
    own,
    scope_of,
    sql,
    via,
    where,
)
from computor_core.plugin_api.registrations import ActionAxis

_RELEASED = sql("computor_core.catalogue.conditions:content_released")
_CASE_SHOWN = sql("computor_core.catalogue.conditions:case_shown")
_RUN_SHOWN = sql("computor_core.catalogue.conditions:run_shown")
_OUTRANKS = sql("computor_core.catalogue.conditions:outranks_caller")

_GLOBALLY = branch("global", scope_of(ScopeKind.GLOBAL))
_STAFF = branch("staff", scope_of(ScopeKind.COURSE, "course_id"))
_GROUP_MEMBERS = "submission-group-members"


def _rule(
    endpoint: str, action: str, *branches: Branch, deny: tuple[Condition | SqlCondition, ...] = ()
) -> AccessRuleRegistration:
    return AccessRuleRegistration(endpoint, action, branches, deny)


def _own_group(column: str = "submission_group_id", action: str = "submission.read") -> Via:
    """The row belongs to a submission group that the caller is in."""
    return via(column, _GROUP_MEMBERS, action, target="submission_group_id", only=("own",))


def _users() -> list[AccessRuleRegistration]:
    myself = branch("self", own("id"))
    return [
        _rule(
            "users",
            "user.read",
            myself,
            _GLOBALLY,
            branch(
                "course_staff", via("id", "course-members", "member.read", target="user_id", only=("staff",))
            ),
            branch("team", via("id", _GROUP_MEMBERS, "submission.read", target="user_id", only=("team",))),
            branch(
                "organization_staff",
                via(
                    "id",
                    "organization-members",
                    "organization_member.read",
                    target="user_id",
                    only=("staff",),
                ),
            ),
            branch(
                "family_staff",
                via("id", "course-family-members", "family_member.read", target="user_id", only=("staff",)),
            ),
        ),
        _rule(
            "users",
            "user.read_contact",
            myself,
            _GLOBALLY,
            branch("course_staff", via("id", "course-members", "member.read_contact", target="user_id")),
        ),
        _rule("users", "user.refer", branch("everyone", everyone(), where("archived_at", Comparison.NULL))),
        _rule("users", "user.create", _GLOBALLY),
        _rule("users", "user.update", myself, _GLOBALLY, deny=(_OUTRANKS,)),
        _rule("users", "user.archive", _GLOBALLY, deny=(_OUTRANKS,)),
        _rule("users", "user.credentials", _GLOBALLY, deny=(_OUTRANKS,)),
        _rule(
            "users",
            "token.create",
            myself,
            branch("service", scope_of(ScopeKind.GLOBAL), where("is_service", Comparison.EQUAL, True)),
            deny=(_OUTRANKS,),
        ),
        *(
            _rule(endpoint, action, branch("own", own("user_id")), _GLOBALLY)
            for endpoint, action in (
                ("sessions", "session.read"),
                ("sessions", "session.revoke"),
                ("api-tokens", "token.read"),
                ("api-tokens", "token.revoke"),
            )
        ),
    ]


def _roles() -> list[AccessRuleRegistration]:
    return [
        _rule("roles", "role.read", branch("everyone", everyone())),
        _rule("user-roles", "role.read", branch("own", own("user_id")), _GLOBALLY),
        _rule("user-roles", "role.grant", _GLOBALLY),
    ]


def _scopes() -> list[AccessRuleRegistration]:
    """Organizations, families and courses: an action reaches a scope's row where it is held."""
    organization = branch("role", scope_of(ScopeKind.ORGANIZATION, "id"))
    family = branch("role", scope_of(ScopeKind.FAMILY, "id"))
    course = branch("role", scope_of(ScopeKind.COURSE, "id"))
    within = {
        "organizations": [
            "organization.create",
            "organization.update",
            "organization.archive",
            "organization.delete",
            "organization_member.manage",
            "family.create",
            "example.write",
        ],
        "course-families": [
            "family.update",
            "family.archive",
            "family.delete",
            "family_member.manage",
            "course.create",
        ],
        "courses": [
            "course.update",
            "course.archive",
            "course.delete",
            "member.manage",
            "repository.manage",
            *(
                action.name
                for action in actions.registrations()
                if action.axis is not ActionAxis.ADMINISTRATION
            ),
        ],
    }
    branches = {"organizations": organization, "course-families": family, "courses": course}
    return [
        _rule(
            "organizations",
            "organization.read",
            organization,
            branch("members_below", inside(ScopeKind.ORGANIZATION, "id", "course.read")),
        ),
        _rule(
            "course-families",
            "family.read",
            family,
            branch("members_below", inside(ScopeKind.FAMILY, "id", "course.read")),
        ),
        *(
            _rule(endpoint, action, branches[endpoint])
            for endpoint, names in within.items()
            for action in names
        ),
    ]


def _members() -> list[AccessRuleRegistration]:
    organization = branch("staff", scope_of(ScopeKind.ORGANIZATION, "organization_id"))
    family = branch("staff", scope_of(ScopeKind.FAMILY, "course_family_id"))
    mine = branch("own", own("user_id"))
    return [
        _rule("organization-members", "organization_member.read", mine, organization),
        _rule("organization-members", "organization_member.manage", organization),
        _rule("course-family-members", "family_member.read", mine, family),
        _rule("course-family-members", "family_member.manage", family),
        _rule(
            "course-members",
            "member.read",
            mine,
            _STAFF,
            branch(
                "team",
                via("id", _GROUP_MEMBERS, "submission.read", target="course_member_id", only=("team",)),
            ),
        ),
        _rule("course-members", "member.read_contact", _STAFF),
        _rule("course-members", "member.manage", _STAFF),
    ]


def _content() -> list[AccessRuleRegistration]:
    unreleased = branch("staff", scope_of(ScopeKind.COURSE, "course_id", "content.read_unreleased"))
    return [
        _rule("course-content-kinds", "content.read", branch("everyone", everyone())),
        _rule("course-content-types", "content.read", _STAFF),
        _rule("course-content-types", "content.write", _STAFF),
        _rule(
            "course-contents",
            "content.read",
            unreleased,
            branch("released", scope_of(ScopeKind.COURSE, "course_id"), _RELEASED),
        ),
        _rule("course-contents", "content.write", _STAFF),
        _rule("course-contents", "schedule.write", _STAFF),
        _rule(
            "course-contents",
            "submission.create",
            branch("member", scope_of(ScopeKind.COURSE, "course_id"), _RELEASED),
        ),
        _rule(
            "assignment-schedules",
            "content.read",
            unreleased,
            branch("released", via("course_content_id", "course-contents", only=("released",))),
        ),
        _rule("assignment-schedules", "schedule.write", _STAFF),
        _rule("content-deployments", "content.read_unreleased", _STAFF),
        _rule("content-deployments", "content.write", _STAFF),
        _rule(
            "content-deployments",
            "solution.read",
            branch(
                "deployed",
                scope_of(ScopeKind.COURSE, "course_id"),
                where("deployed_at", Comparison.NOT_NULL),
            ),
        ),
        _rule(
            "course-repositories",
            "course.read",
            branch(
                "template",
                scope_of(ScopeKind.COURSE, "course_id"),
                where("purpose", Comparison.EQUAL, "template"),
            ),
            branch("reference", scope_of(ScopeKind.COURSE, "course_id", "content.write")),
        ),
    ]


def _examples() -> list[AccessRuleRegistration]:
    library = branch("organization", scope_of(ScopeKind.ORGANIZATION, "organization_id"))
    authors_below = branch("authors_below", inside(ScopeKind.ORGANIZATION, "organization_id"))
    return [
        _rule("examples", "example.read", library, authors_below),
        _rule("examples", "example.write", library),
        _rule(
            "example-versions",
            "example.read",
            library,
            authors_below,
            branch(
                "deployed",
                via("id", "content-deployments", "solution.read", target="example_version_id"),
            ),
        ),
    ]


def _submissions() -> list[AccessRuleRegistration]:
    own_artifact = branch("own", _own_group())
    tested_by_member = branch("own", _own_group(), scope_of(ScopeKind.COURSE, "course_id"))
    tested_by_staff = branch("staff", scope_of(ScopeKind.COURSE, "course_id", "test.manage"))
    my_repository = branch("own", via("course_member_id", "course-members", "member.read", only=("own",)))
    return [
        _rule(
            _GROUP_MEMBERS,
            "submission.read",
            branch("own", own("user_id")),
            _STAFF,
            branch("team", _own_group()),
        ),
        _rule("submission-groups", "submission.read", branch("own", _own_group("id")), _STAFF),
        _rule("artifacts", "submission.read", own_artifact, _STAFF),
        _rule("artifacts", "test.start", tested_by_member, tested_by_staff),
        _rule("artifacts", "grade.write", _STAFF),
        _rule("artifacts", "grade.publish", _STAFF),
        _rule("receipts", "submission.read", own_artifact, _STAFF),
        _rule("push-intents", "submission.read", branch("own", own("user_id")), _STAFF),
        _rule(
            "member-repositories",
            "repository.read",
            my_repository,
            _STAFF,
            branch("manager", scope_of(ScopeKind.COURSE, "course_id", "repository.manage")),
        ),
    ]


def _results() -> list[AccessRuleRegistration]:
    mine = branch("own", _own_group())
    graded, writer = own("graded_by_id"), scope_of(ScopeKind.COURSE, "course_id")
    manager = scope_of(ScopeKind.COURSE, "course_id", "grade.manage")
    publisher = scope_of(ScopeKind.COURSE, "course_id", "grade.publish")
    draft = where("published_at", Comparison.NULL)
    shown = where("published_at", Comparison.NOT_NULL)
    return [
        _rule("test-runs", "result.read", mine, _STAFF),
        _rule("test-runs", "result.read_details", branch("shown", _own_group(), _RUN_SHOWN), _STAFF),
        _rule("test-case-results", "result.read", mine, _STAFF),
        _rule("test-case-results", "result.read_details", branch("shown", _own_group(), _CASE_SHOWN), _STAFF),
        _rule(
            "grades",
            "grade.read",
            branch("published", _own_group(), shown),
            _STAFF,
        ),
        # What students see changes by the hands of those alone who may show it to them.
        _rule(
            "grades",
            "grade.write",
            branch("own", graded, writer, draft),
            branch("manager", manager, draft),
            branch("own_published", graded, writer, publisher, shown),
            branch("manager_published", manager, publisher, shown),
        ),
        _rule("grades", "grade.publish", _STAFF),
    ]


def _operation() -> list[AccessRuleRegistration]:
    return [
        _rule("provider-bindings", "provider.read", _GLOBALLY),
        _rule("provider-bindings", "provider.bind", _GLOBALLY),
        _rule("audit-events", "audit.read", _GLOBALLY),
        _rule("workflow-runs", "workflow.read", _GLOBALLY),
    ]


def registrations() -> list[AccessRuleRegistration]:
    """Core's access rules."""
    return [
        *_users(),
        *_roles(),
        *_scopes(),
        *_members(),
        *_content(),
        *_examples(),
        *_submissions(),
        *_results(),
        *_operation(),
    ]
