"""The people of the demo, each with an account and a random password of their own."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from computor_fastapi_host.demo.api import Api

ADMIN_EMAIL = "admin@example.org"
STUDENTS = (("Ada", "Ahorn"), ("Ben", "Birke"), ("Cleo", "Cedar"), ("Dan", "Distel"), ("Eve", "Eibe"))


@dataclass(slots=True)
class Person:
    """Somebody who takes part.

    Attributes:
        role: The course role (``"course:_student"``).
        given_name, family_name: The name.
        email: What they sign in with.
        password: Random on every run.
        api: Their client once they have signed in.
        user_id, member_id: Their user and their enrolment.
    """

    role: str
    given_name: str
    family_name: str
    email: str
    password: str
    api: Api
    user_id: str = ""
    member_id: str = ""

    @property
    def name(self) -> str:
        """The whole name."""
        return f"{self.given_name} {self.family_name}"


def password() -> str:
    """A random password."""
    return secrets.token_urlsafe(12)


def cast(nobody: Api) -> list[Person]:
    """A lecturer, a tutor and the students, not yet known to the host."""
    staff = [
        Person("course:_lecturer", "Lena", "Linde", "lena.linde@example.org", password(), nobody),
        Person("course:_tutor", "Tom", "Tanne", "tom.tanne@example.org", password(), nobody),
    ]
    students = [
        Person("course:_student", given, family, f"{given}.{family}@example.org".lower(), password(), nobody)
        for given, family in STUDENTS
    ]
    return [*staff, *students]


def register(admin: Api, person: Person) -> None:
    """Make the account, set its password, and sign in with it."""
    user = admin.create(
        "/users", given_name=person.given_name, family_name=person.family_name, email=person.email
    )
    person.user_id = user["id"]
    admin.want(204, "POST", f"/users/{person.user_id}/set-password", json={"password": person.password})
    person.api = person.api.sign_in(person.email, person.password)


def enrol(manager: Api, course_id: str, person: Person) -> None:
    """Give a person their role in the course."""
    member = manager.create(
        "/course-members", course_id=course_id, user_id=person.user_id, role_id=person.role
    )
    person.member_id = member["id"]
