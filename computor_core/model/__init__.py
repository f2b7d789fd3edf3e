"""SQLAlchemy models, one file per aggregate; importing the package maps them all."""

from computor_core.model.base import Archivable, Base, EntityMixin, Identified, Timestamped
from computor_core.model.courses import (
    AssignmentSchedule,
    Course,
    CourseContent,
    CourseContentKind,
    CourseContentType,
    CourseMember,
)
from computor_core.model.evidence import AuditEvent, AuditValue
from computor_core.model.examples import ContentDeployment, Example, ExampleVersion
from computor_core.model.grants import Role, RoleAction, UserRole
from computor_core.model.organizations import (
    CourseFamily,
    CourseFamilyMember,
    Organization,
    OrganizationMember,
)
from computor_core.model.providers import Blob, ProviderBinding
from computor_core.model.results import Grade, TestCaseResult, TestQueue, TestRun
from computor_core.model.submissions import (
    Artifact,
    CourseRepository,
    MemberRepository,
    PushIntent,
    Receipt,
    SubmissionGroup,
    SubmissionGroupMember,
)
from computor_core.model.users import Account, ApiToken, Session, User
from computor_core.model.work import (
    EventCursor,
    EventLog,
    EventSkip,
    IdempotencyKey,
    Lease,
    Outbox,
    WorkflowRun,
    WorkflowSignal,
    WorkflowStep,
    WorkflowWait,
)

__all__ = [
    "Account",
    "ApiToken",
    "Archivable",
    "Artifact",
    "AssignmentSchedule",
    "AuditEvent",
    "AuditValue",
    "Base",
    "Blob",
    "ContentDeployment",
    "Course",
    "CourseContent",
    "CourseContentKind",
    "CourseContentType",
    "CourseFamily",
    "CourseFamilyMember",
    "CourseMember",
    "CourseRepository",
    "EntityMixin",
    "EventCursor",
    "EventLog",
    "EventSkip",
    "Example",
    "ExampleVersion",
    "Grade",
    "IdempotencyKey",
    "Identified",
    "Lease",
    "MemberRepository",
    "Organization",
    "OrganizationMember",
    "Outbox",
    "ProviderBinding",
    "PushIntent",
    "Receipt",
    "Role",
    "RoleAction",
    "Session",
    "SubmissionGroup",
    "SubmissionGroupMember",
    "TestCaseResult",
    "TestQueue",
    "TestRun",
    "Timestamped",
    "User",
    "UserRole",
    "WorkflowRun",
    "WorkflowSignal",
    "WorkflowStep",
    "WorkflowWait",
]
