"""Uploads against a real host: sent twice, too large, of the wrong kind, to somebody else's course."""

from __future__ import annotations

import io
import uuid
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from computor_fastapi_host.demo.api import Api, wait_for
from computor_fastapi_host.demo.course import archive

from tests.e2e.killing import Playground, build

EXAMPLE = Path(__file__).parents[2] / "examples" / "bash.count_words"
ZIP = {"Content-Type": "application/zip"}


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Playground]:
    ground = build(tmp_path_factory.mktemp("uploads"), EXAMPLE)
    with ground.serving():
        yield ground


@pytest.fixture
def student(ground: Playground) -> Api:
    return ground.api


def path(ground: Playground) -> str:
    assert ground.assignment is not None
    return f"/course-contents/{ground.assignment.content_id}/submissions"


def solution(comment: str = "") -> bytes:
    content = (EXAMPLE / "count.sh").read_bytes() + f"\n# {comment}\n".encode()
    return archive({"count.sh": (content, 0o100644)})


def artifacts(ground: Playground) -> int:
    ((count,),) = ground.rows("SELECT count(*) FROM artifact")
    return int(count)


def test_sent_twenty_times_under_one_key_it_is_accepted_once(ground: Playground, student: Api) -> None:
    before = artifacts(ground)
    body, headers = solution("once"), {**ZIP, "Idempotency-Key": str(uuid.uuid4())}

    def send(_number: int) -> httpx.Response:
        with httpx.Client(timeout=60) as http:
            return Api(ground.base, http, student.token).call(
                "POST", path(ground), content=body, headers=headers
            )

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(send, range(20)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["artifact_id"] for answer in answers}) == 1
    assert artifacts(ground) == before + 1
    other = student.call("POST", path(ground), content=solution("other"), headers=headers)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")


def test_what_was_submitted_comes_back_byte_by_byte(ground: Playground, student: Api) -> None:
    accepted = student.want(201, "POST", path(ground), content=solution("back"), headers=ZIP)
    answer = student.call("GET", f"/artifacts/{accepted['artifact_id']}/download")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as packed:
        assert packed.namelist() == ["count.sh"]
        with zipfile.ZipFile(io.BytesIO(solution("back"))) as sent:
            assert packed.read("count.sh") == sent.read("count.sh")
    for wanted in ("bytes=99999-", "bytes=5-1", "bytes=0-9", "lines=1-2"):
        ranged = student.call(
            "GET", f"/artifacts/{accepted['artifact_id']}/download", headers={"Range": wanted}
        )
        assert (ranged.status_code, ranged.content) == (200, answer.content)
    assert not list((ground.data / "spool").glob("zip-*"))
    run = f"/test-runs/{accepted['test_run_id']}"
    wait_for(
        "the result",
        lambda: student.want(200, "GET", run)["visible_verdict"] == "passed",
        seconds=60,
    )


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        (b"not an archive", ZIP, 422, "unsafe_archive"),
        (b"", ZIP, 422, "unsafe_archive"),
        (b"{}", {"Content-Type": "application/json"}, 415, "unsupported_media_type"),
    ],
)
def test_bad_bodies_are_one_clear_error(
    ground: Playground, student: Api, content: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    before = artifacts(ground)
    answer = student.call("POST", path(ground), content=content, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert artifacts(ground) == before


def test_an_unsafe_path_and_a_bomb_are_refused_and_nothing_is_left_in_the_spool(
    ground: Playground, student: Api
) -> None:
    evil = io.BytesIO()
    with zipfile.ZipFile(evil, "w") as packed:
        packed.writestr("../../evil", "x")
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("zeros", bytes(15 * 1024 * 1024))
    for content in (evil.getvalue(), bomb.getvalue()):
        answer = student.call("POST", path(ground), content=content, headers=ZIP)
        assert (answer.status_code, answer.json()["code"]) == (422, "unsafe_archive")
    assert not [item for item in (ground.data / "spool").iterdir() if not item.name.startswith("job-")]


def test_a_two_gigabyte_upload_is_refused_early(ground: Playground, student: Api) -> None:
    sent = 0

    def chunks() -> Iterator[bytes]:
        nonlocal sent
        block = bytes(1024 * 1024)
        while sent < 2 * 1024**3:
            sent += len(block)
            yield block

    try:
        answer: Any = student.call("POST", path(ground), content=chunks(), headers=ZIP)
    except httpx.TransportError:
        answer = None  # the host may close the connection while the client still sends
    if answer is not None:
        assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")
    assert sent < 256 * 1024**2
    assert not [item for item in (ground.data / "spool").iterdir() if not item.name.startswith("job-")]


def test_nobody_and_strangers_can_not_submit(ground: Playground) -> None:
    nobody = Api(ground.base, ground.http)
    assert nobody.call("POST", path(ground), content=solution(), headers=ZIP).status_code == 401
    student = ground.api
    unknown = student.call("POST", f"/course-contents/{uuid.uuid4()}/submissions", content=b"", headers=ZIP)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")
