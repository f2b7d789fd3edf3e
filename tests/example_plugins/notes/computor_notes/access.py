"""Who may do what with notes.

Core's roles can't be given actions of a plugin, so the rules go by what staff hold already:
whoever grades in a course reads and writes notes there. The plugin's own role reads all of them.
"""

from __future__ import annotations

from computor_core.plugin_api import ActionAxis, ActionRegistration, RoleRegistration, ScopeKind
from computor_core.plugin_api.access import AccessRuleRegistration, branch, own, scope_of

__all__ = ["ACTIONS", "NOTES", "READ", "ROLES", "RULES", "RULES_ON_CORE", "WRITE"]

NOTES = "x/notes/notes"
READ = "notes:note.read"
WRITE = "notes:note.write"

ACTIONS = (
    ActionRegistration(READ, "See staff's notes on course members.", ActionAxis.STUDENT_DATA),
    ActionRegistration(WRITE, "Write notes on course members and settle them.", ActionAxis.STUDENT_DATA),
)

ROLES = (RoleRegistration("notes_reader", ScopeKind.GLOBAL, "Reader of notes", frozenset({READ})),)

_GRADES = scope_of(ScopeKind.COURSE, "course_id", "grade.write")
_MANAGES_GRADES = scope_of(ScopeKind.COURSE, "course_id", "grade.manage")

RULES = (
    AccessRuleRegistration(
        NOTES, READ, (branch("staff", _GRADES), branch("reader", scope_of(ScopeKind.COURSE, "course_id")))
    ),
    AccessRuleRegistration(
        NOTES, WRITE, (branch("author", own("author_id"), _GRADES), branch("manager", _MANAGES_GRADES))
    ),
)
"""On the plugin's own entity."""

RULES_ON_CORE = (
    AccessRuleRegistration("course-members", WRITE, (branch("notes_staff", _GRADES),)),
    AccessRuleRegistration(
        "courses",
        READ,
        (
            branch("notes_staff", scope_of(ScopeKind.COURSE, "id", "grade.write")),
            branch("notes_reader", scope_of(ScopeKind.COURSE, "id")),
        ),
    ),
)
"""On whom a note may be written, and of which courses the summary may be read."""
