"""Core's roles as data: which actions each contains, at its scope and below.

Course roles are cumulative. Inheritance goes downward only and is expressed by containment: an
organization's owner contains what a family's and a course's owner contain; managers of either
contain what a course's maintainer does; developers contain the content actions of a lecturer and
no student data.
"""

from __future__ import annotations

from computor_core.catalogue import actions
from computor_core.plugin_api.principal import ScopeKind
from computor_core.plugin_api.registrations import ActionAxis, RoleRegistration

_AXES = {action.name: action.axis for action in actions.registrations()}


def _content_of(role: frozenset[str]) -> frozenset[str]:
    return frozenset(action for action in role if _AXES[action] is ActionAxis.CONTENT)


COURSE_STUDENT = frozenset({"course.read", "content.read", "submission.create", "test.start"})
COURSE_TUTOR = COURSE_STUDENT | {
    "member.read",
    "submission.read",
    "test.manage",
    "result.read",
    "result.read_details",
    "grade.read",
    "grade.write",
    "gradebook.read",
    "repository.read",
    "solution.read",
}
COURSE_LECTURER = COURSE_TUTOR | {
    "content.read_unreleased",
    "content.write",
    "content.release",
    "schedule.write",
    "example.read",
    "member.read_contact",
    "grade.manage",
    "grade.publish",
}
COURSE_MAINTAINER = COURSE_LECTURER | {"member.manage", "repository.manage"}
COURSE_OWNER = COURSE_MAINTAINER | {"course.update", "course.archive", "course.delete"}

FAMILY_DEVELOPER = _content_of(COURSE_LECTURER) | {"family.read"}
FAMILY_MANAGER = (
    FAMILY_DEVELOPER | COURSE_MAINTAINER | {"course.create", "family_member.read", "family_member.manage"}
)
FAMILY_OWNER = FAMILY_MANAGER | COURSE_OWNER | {"family.update", "family.archive", "family.delete"}

ORGANIZATION_DEVELOPER = FAMILY_DEVELOPER | {"organization.read", "example.write"}
ORGANIZATION_MANAGER = (
    ORGANIZATION_DEVELOPER
    | FAMILY_MANAGER
    | {
        "family.create",
        "family.update",
        "family.archive",
        "organization_member.read",
        "organization_member.manage",
    }
)
ORGANIZATION_OWNER = (
    ORGANIZATION_MANAGER
    | FAMILY_OWNER
    | {"organization.create", "organization.update", "organization.archive", "organization.delete"}
)

USER_MANAGER = frozenset(
    {
        "user.read",
        "user.read_contact",
        "user.create",
        "user.update",
        "user.archive",
        "user.credentials",
        "session.read",
        "session.revoke",
        "token.read",
        "token.create",
        "token.revoke",
        "role.read",
        "role.grant",
    }
)
EXAMPLE_MANAGER = frozenset({"organization.read", "example.read", "example.write"})
GIT_MANAGER = frozenset({"provider.read", "provider.bind", "repository.manage"})
AUDITOR = frozenset({"user.read", "role.read", "audit.read", "workflow.read", "metrics.read"})

_ROLES: dict[ScopeKind, list[tuple[str, str, frozenset[str]]]] = {
    ScopeKind.GLOBAL: [
        ("_admin", "Administrator", frozenset(_AXES)),
        ("_user_manager", "User manager", USER_MANAGER),
        ("_organization_manager", "Organization manager", ORGANIZATION_OWNER),
        ("_example_manager", "Example manager", EXAMPLE_MANAGER),
        ("_git_manager", "Git manager", GIT_MANAGER),
        ("_auditor", "Auditor", AUDITOR),
    ],
    ScopeKind.ORGANIZATION: [
        ("_owner", "Owner", ORGANIZATION_OWNER),
        ("_manager", "Manager", ORGANIZATION_MANAGER),
        ("_developer", "Developer", ORGANIZATION_DEVELOPER),
    ],
    ScopeKind.FAMILY: [
        ("_owner", "Owner", FAMILY_OWNER),
        ("_manager", "Manager", FAMILY_MANAGER),
        ("_developer", "Developer", FAMILY_DEVELOPER),
    ],
    ScopeKind.COURSE: [
        ("_owner", "Owner", COURSE_OWNER),
        ("_maintainer", "Maintainer", COURSE_MAINTAINER),
        ("_lecturer", "Lecturer", COURSE_LECTURER),
        ("_tutor", "Tutor", COURSE_TUTOR),
        ("_student", "Student", COURSE_STUDENT),
    ],
}


def registrations() -> list[RoleRegistration]:
    """Core's roles, strongest first at each scope."""
    return [
        RoleRegistration(name, scope, title, contained, rank=10 * (len(roles) - position))
        for scope, roles in _ROLES.items()
        for position, (name, title, contained) in enumerate(roles)
    ]
