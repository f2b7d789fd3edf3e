"""Setting up the demo's course from the example library."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from computor_fastapi_host.demo.api import Api, DemoError, wait_for


@dataclass(frozen=True, slots=True)
class Assignment:
    """An assignment of the course.

    Attributes:
        content_id: The node of the content tree.
        folder: Its folder in the students' repositories (``"python/fizzbuzz"``).
        identifier: The example it was made from.
        integrity: ``isolated`` or ``in_process``.
    """

    content_id: str
    folder: str
    identifier: str
    integrity: str


@dataclass(frozen=True, slots=True)
class Course:
    """The course with its assignments."""

    id: str
    organization_id: str
    assignments: list[Assignment]


def example_folders(library: Path) -> Iterator[Path]:
    """The folders of a library that hold an example, by name."""
    for folder in sorted(library.iterdir()):
        if (folder / "meta.yaml").is_file():
            yield folder


def archive(files: dict[str, tuple[bytes, int]]) -> bytes:
    """A ZIP archive of files: path → (content, mode)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        for path, (content, mode) in sorted(files.items()):
            info = zipfile.ZipInfo(path)
            info.external_attr = mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            packed.writestr(info, content)
    return buffer.getvalue()


def folder_files(folder: Path) -> dict[str, tuple[bytes, int]]:
    """The files below a folder: path → (content, mode)."""
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mode & 0o777 | 0o100000)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def create_course(admin: Api) -> tuple[str, str]:
    """Create organization, family and course; returns the ids of organization and course."""
    organization = admin.create(
        "/organizations", slug="demo", title="Demo University", timezone="Europe/Vienna"
    )
    family = admin.create(
        "/course-families", organization_id=organization["id"], slug="prog1", title="Programming 1"
    )
    course = admin.create(
        "/courses",
        course_family_id=family["id"],
        slug="2026w",
        title="Programming 1, winter 2026",
        timezone="Europe/Vienna",
    )
    return organization["id"], course["id"]


def import_examples(admin: Api, organization_id: str, library: Path) -> list[dict[str, Any]]:
    """Import every example of the library; returns what the imports answered."""
    return [
        admin.want(
            201,
            "POST",
            f"/organizations/{organization_id}/examples",
            content=archive(folder_files(folder)),
            headers={"Content-Type": "application/zip"},
        )
        for folder in example_folders(library)
    ]


def create_assignments(
    lecturer: Api, course_id: str, imported: list[dict[str, Any]], points: int = 10
) -> list[Assignment]:
    """Create a unit per topic and an assignment per example, with schedule and example version."""
    unit_type = lecturer.create(
        "/course-content-types", course_id=course_id, kind_id="unit", slug="unit", title="Unit"
    )
    homework = lecturer.create(
        "/course-content-types", course_id=course_id, kind_id="assignment", slug="homework", title="Homework"
    )
    now = datetime.now(UTC)
    units: dict[str, str] = {}
    assignments: list[Assignment] = []
    for example in imported:
        topic, _, name = example["identifier"].replace("-", "_").rpartition(".")
        topic = topic.rpartition(".")[2] or "misc"
        if topic not in units:
            units[topic] = lecturer.create(
                "/course-contents",
                course_id=course_id,
                content_type_id=unit_type["id"],
                slug=topic,
                title=topic.capitalize(),
            )["id"]
        content = lecturer.create(
            "/course-contents",
            course_id=course_id,
            content_type_id=homework["id"],
            parent_id=units[topic],
            slug=name,
            title=example["title"],
        )
        lecturer.create(
            "/assignment-schedules",
            course_content_id=content["id"],
            releases_at=(now - timedelta(minutes=1)).isoformat(),
            due_at=(now + timedelta(days=7)).isoformat(),
            closes_at=(now + timedelta(days=14)).isoformat(),
            max_attempts=20,
            points=str(points),
        )
        lecturer.create(
            "/content-deployments",
            course_content_id=content["id"],
            example_version_id=example["example_version_id"],
        )
        assignments.append(
            Assignment(content["id"], f"{topic}/{name}", example["identifier"], example["integrity"])
        )
    return assignments


def release(lecturer: Api, course_id: str, students: int) -> None:
    """Release everything and wait until the students' repositories are there.

    Raises:
        DemoError: An assignment's release failed.
    """
    lecturer.want(202, "POST", f"/courses/{course_id}/release", json={})

    def done() -> bool:
        deployments = lecturer.all("/content-deployments", course_id=course_id)
        failed = [item for item in deployments if item["state"] == "failed"]
        if failed:
            raise DemoError(f"the release failed: {failed[0]['message']}")
        if any(item["state"] != "deployed" for item in deployments):
            return False
        return len(lecturer.all("/member-repositories", course_id=course_id)) >= students

    wait_for("the release", done)
