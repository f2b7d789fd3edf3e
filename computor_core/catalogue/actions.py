"""Core's actions: the single table from which docs, OpenAPI and roles are made.

Actions lie on two axes, what a course teaches (content) and what its students did (student data),
so that somebody can be trusted with one and not the other; the rest is administration.
"""

from __future__ import annotations

from computor_core.plugin_api.registrations import ActionAxis, ActionRegistration

_CONTENT = {
    "course.read": "See a course and its template repository.",
    "content.read": "See a course's released content.",
    "content.read_unreleased": "See content that isn't released yet, and how its release stands.",
    "content.write": "Create, change, move and remove a course's content.",
    "content.release": "Release content to students.",
    "schedule.write": "Set when an assignment opens, is due and closes, and what it is worth.",
    "solution.read": "See examples deployed in a course, with reference solutions and tests.",
    "example.read": "See the examples of an organization.",
    "example.write": "Create, change and remove examples.",
}

_STUDENT_DATA = {
    "member.read": "See who is in a course, and in what role.",
    "member.read_contact": "See the e-mail addresses of a course's members.",
    "submission.create": "Submit to assignments.",
    "submission.read": "See submissions, receipts and pushes.",
    "test.start": "Have one's own submissions tested.",
    "test.manage": "Have anybody's submissions tested.",
    "result.read": "See test results.",
    "result.read_details": "See what hidden test cases did, and a run's technical output.",
    "grade.read": "See grades, also unpublished ones.",
    "grade.write": "Grade and comment, and change one's own grades.",
    "grade.manage": "Change and remove anybody's grades.",
    "grade.publish": "Show grades to students.",
    "gradebook.read": "See a course's gradebook.",
    "repository.read": "See and clone members' repositories.",
}

_ADMINISTRATION = {
    "user.read": "See users' names and states.",
    "user.read_contact": "See users' e-mail addresses.",
    "user.refer": "Name a user, known by id, as somebody's target, for example as a new member.",
    "user.create": "Create users and service accounts.",
    "user.update": "Change users' names and addresses.",
    "user.archive": "Archive, ban and bring back users.",
    "user.credentials": "Set users' passwords and other credentials.",
    "session.read": "See sessions.",
    "session.revoke": "Revoke sessions.",
    "token.read": "See API tokens, never their secrets.",
    "token.create": "Create API tokens.",
    "token.revoke": "Revoke API tokens.",
    "role.read": "See roles and who holds them globally.",
    "role.grant": "Give and take global roles.",
    "organization.read": "See an organization's public fields.",
    "organization.create": "Create organizations below.",
    "organization.update": "Change an organization and see its private fields.",
    "organization.archive": "Archive and bring back an organization.",
    "organization.delete": "Delete an empty organization.",
    "organization_member.read": "See who holds roles at an organization.",
    "organization_member.manage": "Give and take roles at an organization.",
    "family.read": "See a course family's public fields.",
    "family.create": "Create course families.",
    "family.update": "Change a course family and see its private fields.",
    "family.archive": "Archive and bring back a course family.",
    "family.delete": "Delete an empty course family.",
    "family_member.read": "See who holds roles at a course family.",
    "family_member.manage": "Give and take roles at a course family.",
    "course.create": "Create courses.",
    "course.update": "Change a course and see its private fields.",
    "course.archive": "Archive and bring back a course.",
    "course.delete": "Delete a course with everything in it.",
    "member.manage": "Enrol and remove members, and change their roles.",
    "repository.manage": "Set up and repair a course's repositories.",
    "provider.read": "See which provider instances serve what.",
    "provider.bind": "Choose provider instances.",
    "audit.read": "Read the audit trail.",
    "workflow.read": "See workflow runs.",
    "metrics.read": "Read a host's metrics.",
}


def registrations() -> list[ActionRegistration]:
    """Core's actions."""
    axes = {
        ActionAxis.CONTENT: _CONTENT,
        ActionAxis.STUDENT_DATA: _STUDENT_DATA,
        ActionAxis.ADMINISTRATION: _ADMINISTRATION,
    }
    return [
        ActionRegistration(name, summary, axis)
        for axis, actions in axes.items()
        for name, summary in actions.items()
    ]
