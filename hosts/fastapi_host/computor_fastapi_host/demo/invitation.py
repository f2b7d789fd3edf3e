"""What the demo says when everything is played: where to look, and how to sign in."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping

from computor_fastapi_host.demo.people import ADMIN_EMAIL, Person

DOCUMENT = "/api/v1/openapi.json"
"""Where a host describes its API."""


def invitation(
    base: str, admin_password: str, cast: list[Person], clones: Mapping[str, str]
) -> Iterator[str]:
    """The lines to print; those that start with ``curl`` and ``git`` work as they stand.

    Args:
        base: Address of the host.
        admin_password: Of the administrator.
        cast: Everybody in the course.
        clones: Clone address of each student's repository, by e-mail address.
    """
    yield f"serving on {base}; Ctrl-C ends"
    yield f"API document: {base}{DOCUMENT}"
    yield ""
    yield "Who can sign in, with which password, and the students' git repositories:"
    yield f"  {'administrator':13}  {ADMIN_EMAIL:23}  {admin_password}"
    for person in cast:
        role = person.role.removeprefix("course:_")
        yield f"  {role:13}  {person.email:23}  {person.password}"
        if person.email in clones:
            yield f"  {'':13}  {clones[person.email]}"
    student = next(person for person in cast if person.email in clones)
    body = shlex.quote(json.dumps({"login": student.email, "password": student.password}))
    yield ""
    yield f"Signing in gives a token, here {student.name}'s:"
    yield f"  curl -sS -H 'Content-Type: application/json' -d {body} {base}/api/v1/auth/sign-in"
    yield "The API takes it in the header 'Authorization: Bearer TOKEN'; git takes the token as password,"
    yield "with any user name. Pushing to submit/<assignment> hands in that folder:"
    yield f"  git clone {clones[student.email]}"
