"""The example library and what of it a course uses."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, StringConstraints

from computor_core.interfaces.base import (
    UNCHANGED,
    Archived,
    Contains,
    CreateDto,
    EntityFields,
    EntityInterface,
    Equals,
    ListQuery,
    ReadDto,
    StartsWith,
    UpdateDto,
)
from computor_core.interfaces.fields import Title

Identifier = Annotated[
    str, StringConstraints(min_length=1, max_length=255, pattern=r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$")
]


class ExampleCreate(CreateDto):
    """A new example without versions; importing one makes both."""

    organization_id: UUID = Field(description="The organization whose library it is in.")
    identifier: Identifier = Field(description="Dotted name, unique in the library.")
    title: Title = Field(description="For people.")
    format: str = Field(min_length=1, max_length=64, description="Example format that it comes in.")


class ExampleUpdate(UpdateDto):
    """Changes of an example; its versions are immutable."""

    title: Title = Field(UNCHANGED, description="For people.")


class ExampleGet(EntityFields):
    """An exercise of an organization's library."""

    organization_id: UUID = Field(description="The organization whose library it is in.")
    identifier: str = Field(description="Dotted name, unique in the library.")
    title: str = Field(description="For people.")
    format: str = Field(description="Example format that it comes in.")
    archived_at: datetime | None = Field(description="When it was archived.")


class ExampleList(ReadDto):
    """An example in a list."""

    id: UUID = Field(description="The example's id.")
    organization_id: UUID = Field(description="The organization whose library it is in.")
    identifier: str = Field(description="Dotted name, unique in the library.")
    title: str = Field(description="For people.")
    format: str = Field(description="Example format that it comes in.")


class ExampleQuery(ListQuery):
    """Filters of the list of examples."""

    organization_id: Annotated[UUID | None, Equals()] = Field(None, description="Only this organization's.")
    identifier: Annotated[str | None, Equals()] = Field(
        None, max_length=255, description="The one of this name."
    )
    identifier_prefix: Annotated[str | None, StartsWith("identifier")] = Field(
        None, max_length=255, description="Only those whose name starts so."
    )
    title: Annotated[str | None, Contains()] = Field(None, max_length=255, description="Part of the title.")
    archived: Annotated[bool | None, Archived("archived_at")] = Field(
        False, description="True: only archived; false: only others; null: both."
    )


class ExampleInterface(EntityInterface):
    """Examples."""

    endpoint = "examples"
    create, get, list, update, query = ExampleCreate, ExampleGet, ExampleList, ExampleUpdate, ExampleQuery


class ExampleVersionGet(EntityFields):
    """An immutable version of an example, with its files and tests."""

    example_id: UUID = Field(description="The example.")
    organization_id: UUID = Field(description="The organization whose library it is in.")
    version_tag: str = Field(description="Version, unique for the example.")
    ordinal: int = Field(description="Counts up with each version of the example.")
    title: str = Field(description="For people.")
    language: str = Field(description="Programming language.")
    license: str = Field(description="SPDX identifier, or empty.")
    integrity: str = Field(description="Integrity of its verdicts: `isolated` or `in_process`.")
    tree_hash: str = Field(description="SHA-256 over its tree of files.")
    files: list[dict[str, Any]] = Field(description="Its files: role, path, mode, size and SHA-256.")
    spec: dict[str, Any] = Field(description="The test specification read from it.")


class ExampleVersionList(ReadDto):
    """A version of an example in a list."""

    id: UUID = Field(description="The version's id.")
    example_id: UUID = Field(description="The example.")
    version_tag: str = Field(description="Version, unique for the example.")
    ordinal: int = Field(description="Counts up with each version of the example.")
    title: str = Field(description="For people.")
    language: str = Field(description="Programming language.")
    integrity: str = Field(description="Integrity of its verdicts: `isolated` or `in_process`.")
    created_at: datetime = Field(description="When it was imported, UTC.")


class ExampleVersionQuery(ListQuery):
    """Filters of the list of example versions."""

    example_id: Annotated[UUID | None, Equals()] = Field(None, description="Only of this example.")
    organization_id: Annotated[UUID | None, Equals()] = Field(None, description="Only of this organization.")
    version_tag: Annotated[str | None, Equals()] = Field(
        None, max_length=64, description="Only this version."
    )


class ExampleVersionInterface(EntityInterface):
    """Versions of examples."""

    endpoint = "example-versions"
    get, list, query = ExampleVersionGet, ExampleVersionList, ExampleVersionQuery


class ContentDeploymentCreate(CreateDto):
    """Assign an example version to an assignment; releasing it is a step of its own."""

    course_content_id: UUID = Field(description="The assignment; it has at most one deployment.")
    example_version_id: UUID = Field(description="The version to use.")


class ContentDeploymentUpdate(UpdateDto):
    """Use another version; the release that follows brings it to students."""

    example_version_id: UUID = Field(UNCHANGED, description="The version to use.")


class ContentDeploymentGet(EntityFields):
    """Which example version an assignment uses, and how far its release got."""

    course_id: UUID = Field(description="The course.")
    course_content_id: UUID = Field(description="The assignment.")
    example_version_id: UUID = Field(description="The version that the next release brings.")
    released_version_id: UUID | None = Field(description="The version that students have.")
    state: str = Field(description="`pending`, `deploying`, `deployed` or `failed`.")
    message: str = Field(description="Why it failed.")
    template_commit: str | None = Field(description="Commit of the template repository that has it.")
    reference_commit: str | None = Field(description="Commit of the reference repository that has it.")
    deployed_at: datetime | None = Field(description="When it first reached students.")


class ContentDeploymentList(ReadDto):
    """A deployment in a list."""

    id: UUID = Field(description="The deployment's id.")
    course_id: UUID = Field(description="The course.")
    course_content_id: UUID = Field(description="The assignment.")
    example_version_id: UUID = Field(description="The version that the next release brings.")
    released_version_id: UUID | None = Field(description="The version that students have.")
    state: str = Field(description="`pending`, `deploying`, `deployed` or `failed`.")
    deployed_at: datetime | None = Field(description="When it first reached students.")


class ContentDeploymentQuery(ListQuery):
    """Filters of the list of deployments."""

    course_id: Annotated[UUID | None, Equals()] = Field(None, description="Only this course's.")
    course_content_id: Annotated[UUID | None, Equals()] = Field(
        None, description="The one of this assignment."
    )
    example_version_id: Annotated[UUID | None, Equals()] = Field(None, description="Only of this version.")
    state: Annotated[str | None, Equals()] = Field(None, max_length=16, description="Only in this state.")


class ContentDeploymentInterface(EntityInterface):
    """Example versions that assignments use."""

    endpoint = "content-deployments"
    create, get, list = ContentDeploymentCreate, ContentDeploymentGet, ContentDeploymentList
    update, query = ContentDeploymentUpdate, ContentDeploymentQuery
