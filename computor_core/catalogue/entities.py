"""Core's entities: what each exposes, to whom, and how it treats references and personal data."""

from __future__ import annotations

from computor_core.catalogue import commands
from computor_core.interfaces.assignment_schedules import AssignmentScheduleInterface
from computor_core.interfaces.course_contents import (
    CourseContentInterface,
    CourseContentKindInterface,
    CourseContentTypeInterface,
)
from computor_core.interfaces.course_families import CourseFamilyInterface, CourseFamilyMemberInterface
from computor_core.interfaces.courses import CourseInterface, CourseMemberInterface
from computor_core.interfaces.examples import (
    ContentDeploymentInterface,
    ExampleInterface,
    ExampleVersionInterface,
)
from computor_core.interfaces.operation import (
    AuditEventInterface,
    ProviderBindingInterface,
    WorkflowRunInterface,
)
from computor_core.interfaces.organizations import OrganizationInterface, OrganizationMemberInterface
from computor_core.interfaces.repositories import (
    CourseRepositoryInterface,
    MemberRepositoryInterface,
    PushIntentInterface,
)
from computor_core.interfaces.results import GradeInterface, TestCaseResultInterface, TestRunInterface
from computor_core.interfaces.roles import RoleInterface, UserRoleInterface
from computor_core.interfaces.sessions import ApiTokenInterface, SessionInterface
from computor_core.interfaces.submissions import (
    ArtifactInterface,
    ReceiptInterface,
    SubmissionGroupInterface,
    SubmissionGroupMemberInterface,
)
from computor_core.interfaces.users import UserInterface
from computor_core.plugin_api.entities import (
    Delegation,
    EntityRegistration,
    Erasure,
    Operation,
    Personal,
    Ref,
)
from computor_core.plugin_api.principal import ScopeKind

_BEHAVIORS = "computor_core.entities.behaviors"
_MODEL = "computor_core.model"

_CLEARED = Personal(Erasure.CLEAR)
_GOES = Personal(Erasure.DELETE_ROW)
_ASSESSMENT = Personal(Erasure.KEEP, reason="proof of assessed work, for the examination regulations' period")
_TRAIL = Personal(Erasure.KEEP, reason="evidence of who did what; without names once the user is erased")


def _reading(action: str) -> dict[Operation, str]:
    return {Operation.GET: action, Operation.LIST: action}


def _accounts() -> list[EntityRegistration]:
    return [
        EntityRegistration(
            interface=UserInterface,
            model=f"{_MODEL}:User",
            summary="People and service accounts.",
            access={
                **_reading("user.read"),
                Operation.CREATE: "user.create",
                Operation.UPDATE: "user.update",
                Operation.ARCHIVE: "user.archive",
            },
            personal={
                "given_name": _CLEARED,
                "family_name": _CLEARED,
                "email": _CLEARED,
                "email_key": Personal(Erasure.CLEAR, export=False),
                "ban_reason": _CLEARED,
            },
            commands=(commands.SET_PASSWORD,),
            sort=("created_at", "family_name", "given_name"),
            behavior=f"{_BEHAVIORS}.users:UserAccounts",
            create_at_root=True,
        ),
        EntityRegistration(
            interface=SessionInterface,
            model=f"{_MODEL}:Session",
            summary="Signed-in devices.",
            access=_reading("session.read"),
            personal={"user_id": _GOES, "address": _GOES, "user_agent": _GOES},
            sort=("created_at", "last_seen_at"),
        ),
        EntityRegistration(
            interface=ApiTokenInterface,
            model=f"{_MODEL}:ApiToken",
            summary="Personal and service tokens, without their secrets.",
            access=_reading("token.read"),
            personal={"user_id": _GOES},
            sort=("created_at", "name"),
        ),
        EntityRegistration(
            interface=RoleInterface,
            model=f"{_MODEL}:Role",
            summary="Named sets of actions at a scope.",
            access=_reading("role.read"),
            sort=("rank",),
        ),
        EntityRegistration(
            interface=UserRoleInterface,
            model=f"{_MODEL}:UserRole",
            summary="Global roles held by users.",
            access={
                **_reading("role.read"),
                Operation.CREATE: "role.grant",
                Operation.DELETE: "role.grant",
            },
            refs=(Ref("user_id", "users", "user.read"),),
            personal={"user_id": _GOES},
            sort=("created_at",),
            delegation=Delegation(ScopeKind.GLOBAL, keep_one="_admin"),
            create_at_root=True,
        ),
    ]


def _membership(
    scope: ScopeKind, field: str, endpoint: str, action: str
) -> tuple[tuple[Ref, ...], Delegation]:
    refs = (Ref(field, endpoint, action, parent=True), Ref("user_id", "users", "user.refer"))
    return refs, Delegation(scope, field, keep_one=f"{scope.value}:_owner")


def _managed(read: str, manage: str) -> dict[Operation, str]:
    return {
        **_reading(read),
        Operation.CREATE: manage,
        Operation.UPDATE: manage,
        Operation.DELETE: manage,
    }


def _scopes() -> list[EntityRegistration]:
    organization_refs, organization_roles = _membership(
        ScopeKind.ORGANIZATION, "organization_id", "organizations", "organization_member.manage"
    )
    family_refs, family_roles = _membership(
        ScopeKind.FAMILY, "course_family_id", "course-families", "family_member.manage"
    )
    course_refs, course_roles = _membership(ScopeKind.COURSE, "course_id", "courses", "member.manage")
    return [
        EntityRegistration(
            interface=OrganizationInterface,
            model=f"{_MODEL}:Organization",
            summary="Administrative units, in a tree.",
            access={
                **_reading("organization.read"),
                Operation.CREATE: "organization.create",
                Operation.UPDATE: "organization.update",
                Operation.ARCHIVE: "organization.archive",
                Operation.DELETE: "organization.delete",
            },
            refs=(Ref("parent_id", "organizations", "organization.create", parent=True),),
            sort=("created_at", "path", "title"),
            behavior=f"{_BEHAVIORS}.organization_tree:OrganizationTree",
            create_at_root=True,
        ),
        EntityRegistration(
            interface=OrganizationMemberInterface,
            model=f"{_MODEL}:OrganizationMember",
            summary="Who holds roles at organizations.",
            access=_managed("organization_member.read", "organization_member.manage"),
            refs=organization_refs,
            personal={"user_id": _GOES},
            sort=("created_at",),
            delegation=organization_roles,
        ),
        EntityRegistration(
            interface=CourseFamilyInterface,
            model=f"{_MODEL}:CourseFamily",
            summary="The same course over the terms.",
            access={
                **_reading("family.read"),
                Operation.CREATE: "family.create",
                Operation.UPDATE: "family.update",
                Operation.ARCHIVE: "family.archive",
                Operation.DELETE: "family.delete",
            },
            refs=(Ref("organization_id", "organizations", "family.create", parent=True),),
            sort=("created_at", "slug", "title"),
        ),
        EntityRegistration(
            interface=CourseFamilyMemberInterface,
            model=f"{_MODEL}:CourseFamilyMember",
            summary="Who holds roles at course families.",
            access=_managed("family_member.read", "family_member.manage"),
            refs=family_refs,
            personal={"user_id": _GOES},
            sort=("created_at",),
            delegation=family_roles,
        ),
        EntityRegistration(
            interface=CourseInterface,
            model=f"{_MODEL}:Course",
            summary="Courses.",
            access={
                **_reading("course.read"),
                Operation.CREATE: "course.create",
                Operation.UPDATE: "course.update",
                Operation.ARCHIVE: "course.archive",
                Operation.DELETE: "course.delete",
            },
            refs=(
                Ref(
                    "course_family_id",
                    "course-families",
                    "course.create",
                    parent=True,
                    copies={"organization_id": "organization_id"},
                ),
            ),
            commands=(commands.RELEASE,),
            sort=("created_at", "slug", "title"),
            behavior=f"{_BEHAVIORS}.courses:Courses",
        ),
        EntityRegistration(
            interface=CourseMemberInterface,
            model=f"{_MODEL}:CourseMember",
            summary="Who is in a course, and in what role.",
            access=_managed("member.read", "member.manage"),
            refs=course_refs,
            personal={"user_id": _GOES},
            sort=("created_at",),
            delegation=course_roles,
        ),
    ]


def _content() -> list[EntityRegistration]:
    writing = {
        **_reading("content.read"),
        Operation.CREATE: "content.write",
        Operation.UPDATE: "content.write",
        Operation.DELETE: "content.write",
    }
    return [
        EntityRegistration(
            interface=CourseContentKindInterface,
            model=f"{_MODEL}:CourseContentKind",
            summary="What a node of a content tree can be.",
            access=_reading("content.read"),
        ),
        EntityRegistration(
            interface=CourseContentTypeInterface,
            model=f"{_MODEL}:CourseContentType",
            summary="Types of content that courses define.",
            access=writing,
            refs=(
                Ref("course_id", "courses", "content.write", parent=True),
                Ref("kind_id", "course-content-kinds", "content.read"),
            ),
            sort=("created_at", "slug", "title"),
        ),
        EntityRegistration(
            interface=CourseContentInterface,
            model=f"{_MODEL}:CourseContent",
            summary="Units and assignments, in a tree per course.",
            access={**writing, Operation.ARCHIVE: "content.write"},
            refs=(
                Ref("course_id", "courses", "content.write", parent=True),
                Ref(
                    "content_type_id",
                    "course-content-types",
                    "content.read",
                    same={"course_id": "course_id"},
                    copies={"kind_id": "kind_id"},
                ),
            ),
            sort=("created_at", "path", "position", "title"),
            behavior=f"{_BEHAVIORS}.content_tree:ContentTree",
        ),
        EntityRegistration(
            interface=AssignmentScheduleInterface,
            model=f"{_MODEL}:AssignmentSchedule",
            summary="When assignments open and close, and what they are worth.",
            access=_managed("content.read", "schedule.write"),
            refs=(
                Ref(
                    "course_content_id",
                    "course-contents",
                    "schedule.write",
                    parent=True,
                    copies={"course_id": "course_id"},
                ),
            ),
            sort=("created_at",),
            behavior=f"{_BEHAVIORS}.assignments:Schedules",
        ),
        EntityRegistration(
            interface=ContentDeploymentInterface,
            model=f"{_MODEL}:ContentDeployment",
            summary="Example versions that assignments use, and how far their release got.",
            access=_managed("content.read_unreleased", "content.write"),
            refs=(
                Ref(
                    "course_content_id",
                    "course-contents",
                    "content.write",
                    parent=True,
                    copies={"course_id": "course_id"},
                ),
                Ref("example_version_id", "example-versions", "example.read"),
            ),
            sort=("created_at",),
            behavior=f"{_BEHAVIORS}.assignments:Deployments",
        ),
        EntityRegistration(
            interface=CourseRepositoryInterface,
            model=f"{_MODEL}:CourseRepository",
            summary="Template and reference repositories.",
            access=_reading("course.read"),
            sort=("created_at",),
        ),
        EntityRegistration(
            interface=ExampleInterface,
            model=f"{_MODEL}:Example",
            summary="Exercises of an organization's library.",
            access={
                **_reading("example.read"),
                Operation.CREATE: "example.write",
                Operation.UPDATE: "example.write",
                Operation.ARCHIVE: "example.write",
            },
            refs=(Ref("organization_id", "organizations", "example.write", parent=True),),
            sort=("created_at", "identifier", "title"),
        ),
        EntityRegistration(
            interface=ExampleVersionInterface,
            model=f"{_MODEL}:ExampleVersion",
            summary="Immutable versions of examples.",
            access=_reading("example.read"),
            sort=("created_at", "ordinal"),
        ),
    ]


def _submissions() -> list[EntityRegistration]:
    return [
        EntityRegistration(
            interface=SubmissionGroupInterface,
            model=f"{_MODEL}:SubmissionGroup",
            summary="Members and teams working on assignments.",
            access=_reading("submission.read"),
            sort=("created_at",),
        ),
        EntityRegistration(
            interface=SubmissionGroupMemberInterface,
            model=f"{_MODEL}:SubmissionGroupMember",
            summary="Who is in which submission group.",
            access=_reading("submission.read"),
            personal={"user_id": _ASSESSMENT, "course_member_id": _ASSESSMENT},
            sort=("created_at",),
        ),
        EntityRegistration(
            interface=ArtifactInterface,
            model=f"{_MODEL}:Artifact",
            summary="Submitted trees of files.",
            access=_reading("submission.read"),
            personal={"course_member_id": _ASSESSMENT},
            commands=(commands.START_TEST, commands.GRADE),
            sort=("created_at", "received_at"),
        ),
        EntityRegistration(
            interface=ReceiptInterface,
            model=f"{_MODEL}:Receipt",
            summary="Signed proofs of submissions.",
            access=_reading("submission.read"),
            sort=("created_at", "received_at"),
        ),
        EntityRegistration(
            interface=MemberRepositoryInterface,
            model=f"{_MODEL}:MemberRepository",
            summary="Repositories of members.",
            access=_reading("repository.read"),
            personal={"course_member_id": _GOES},
            sort=("created_at",),
        ),
        EntityRegistration(
            interface=PushIntentInterface,
            model=f"{_MODEL}:PushIntent",
            summary="Submitting pushes and what became of them.",
            access=_reading("submission.read"),
            personal={"user_id": _ASSESSMENT},
            sort=("created_at", "received_at"),
        ),
        EntityRegistration(
            interface=TestRunInterface,
            model=f"{_MODEL}:TestRun",
            summary="Tests of submissions and their results.",
            access=_reading("result.read"),
            sort=("created_at",),
        ),
        EntityRegistration(
            interface=TestCaseResultInterface,
            model=f"{_MODEL}:TestCaseResult",
            summary="Cases of test runs.",
            access=_reading("result.read"),
            sort=("created_at", "ordinal"),
        ),
        EntityRegistration(
            interface=GradeInterface,
            model=f"{_MODEL}:Grade",
            summary="People's judgements of submissions.",
            access={
                **_reading("grade.read"),
                Operation.UPDATE: "grade.write",
                Operation.DELETE: "grade.write",
            },
            personal={"graded_by_id": _CLEARED, "comment": _ASSESSMENT},
            sort=("created_at",),
            commands=(commands.PUBLISH_GRADE,),
            behavior=f"{_BEHAVIORS}.grades:Grades",
        ),
    ]


def _operation() -> list[EntityRegistration]:
    return [
        EntityRegistration(
            interface=ProviderBindingInterface,
            model=f"{_MODEL}:ProviderBinding",
            summary="Choices of provider instances.",
            access=_managed("provider.read", "provider.bind"),
            sort=("created_at",),
            behavior=f"{_BEHAVIORS}.bindings:ProviderBindings",
            create_at_root=True,
        ),
        EntityRegistration(
            interface=AuditEventInterface,
            model=f"{_MODEL}:AuditEvent",
            summary="The audit trail.",
            access=_reading("audit.read"),
            personal={"actor_id": _TRAIL},
            sort=("occurred_at",),
        ),
        EntityRegistration(
            interface=WorkflowRunInterface,
            model=f"{_MODEL}:WorkflowRun",
            summary="Runs of workflows.",
            access=_reading("workflow.read"),
            sort=("created_at",),
        ),
    ]


def registrations() -> list[EntityRegistration]:
    """Core's entities."""
    return [*_accounts(), *_scopes(), *_content(), *_submissions(), *_operation()]
