"""Live updates: everybody hears what they may see, at once, without gaps, and no longer than that."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from sqlalchemy import delete

from computor_core.model import CourseMember, SubmissionGroupMember, User
from computor_core.plugin_api import events as told
from computor_core.plugin_api.principal import Principal
from computor_core.plugin_api.providers.auth import AuthProvider, SetPassword
from computor_core.settings import Settings
from tests.e2e.host_harness import PASSWORD, Host, client_for, listening, serving
from tests.support.world import World

SECONDS = 30


@dataclass
class Listener:
    """What a stream has said so far."""

    events: list[dict[str, Any]] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def hear(self, event: dict[str, Any]) -> None:
        self.events.append(event)
        self._news.set()

    async def until(self, count: int) -> list[dict[str, Any]]:
        """The first ``count`` events; waits for them."""
        async with asyncio.timeout(SECONDS):
            while len(self.events) < count:
                self._news.clear()
                await self._news.wait()
        return self.events[:count]


@asynccontextmanager
async def stream(base: str, token: str, **parameters: str) -> AsyncIterator[Listener]:
    """An open stream of live updates."""
    last = parameters.pop("last_event_id", None)
    headers = {"authorization": f"Bearer {token}", **({"last-event-id": last} if last else {})}
    listener, begun = Listener(), asyncio.Event()

    async def read() -> None:
        timeout = httpx.Timeout(SECONDS, read=None)
        async with (
            httpx.AsyncClient(base_url=base, timeout=timeout, headers=headers) as client,
            client.stream("GET", "/api/v1/events", params=parameters) as answer,
        ):
            assert answer.status_code == 200, await answer.aread()
            assert answer.headers["content-type"].startswith("text/event-stream")
            begun.set()
            event: dict[str, Any] = {}
            async for line in answer.aiter_lines():
                name, _, value = line.partition(": ")
                if line == "" and "event" in event:
                    listener.hear(event)
                if line == "":
                    event = {}
                elif name in {"id", "event"}:
                    event[name] = value
                elif name == "data":
                    event["data"] = json.loads(value)
        listener.ended.set()

    task = asyncio.create_task(read())
    try:
        async with asyncio.timeout(SECONDS):
            waiting = asyncio.create_task(begun.wait())
            await asyncio.wait({waiting, task}, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            if task.done():
                task.result()
        yield listener
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@dataclass
class Class:
    """A course with two students, a tutor, and a lecturer of another course; a test run each."""

    host: Host
    base: str
    world: World
    tokens: dict[str, str]
    users: dict[str, User]
    runs: dict[str, Any]
    course_id: str

    async def finish(self, student: str, verdict: str = "passed") -> None:
        run = self.runs[student]
        async with self.host.computor.uow(Principal.system("test")) as work:
            work.emit(
                told.TestFinished(
                    course_id=run.course_id,
                    test_run_id=run.id,
                    submission_group_id=run.submission_group_id,
                    verdict=verdict,
                )
            )

    async def progress(self, student: str, state: str) -> None:
        run = self.runs[student]
        async with self.host.computor.uow(Principal.system("test")) as work:
            work.emit(
                told.TestProgressed(
                    course_id=run.course_id,
                    test_run_id=run.id,
                    submission_group_id=run.submission_group_id,
                    state=state,
                )
            )


@pytest.fixture
async def lesson(settings: Settings) -> AsyncIterator[Class]:
    async with serving(settings, run=True) as host, listening(host.app) as base:
        world = World(host.computor.database)
        course, other = await world.course(), await world.course()
        content = await world.content(course, released=True)
        users = {name: await world.user(name) for name in ("ada", "ben", "tutor", "stranger")}
        runs = {}
        for name in ("ada", "ben"):
            member = await world.grant(users[name], "_student", course)
            group = await world.group(content, member)
            artifact = await world.artifact(group, member)
            runs[name] = await world.test_run(artifact, await world.example_version(course))
        await world.grant(users["tutor"], "_tutor", course)
        await world.grant(users["stranger"], "_lecturer", other)
        provider = host.computor.providers.get(AuthProvider, "default")
        tokens = {}
        async with client_for(host.app) as client:
            for name, user in users.items():
                await provider.set_password(SetPassword(user.id, PASSWORD))
                body = {"login": user.email, "password": PASSWORD}
                tokens[name] = (await client.post("/api/v1/auth/sign-in", json=body)).json()["token"]
        yield Class(host, base, world, tokens, users, runs, str(course.id))


def heard(events: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(event["event"], event["data"]["test_run_id"]) for event in events]


async def test_everybody_hears_what_they_may_see_and_nothing_else(lesson: Class) -> None:
    async with (
        stream(lesson.base, lesson.tokens["ada"]) as ada,
        stream(lesson.base, lesson.tokens["tutor"]) as tutor,
        stream(lesson.base, lesson.tokens["stranger"]) as stranger,
    ):
        await lesson.progress("ada", "running")
        await lesson.finish("ben")
        await lesson.finish("ada")
        of_ada, of_ben = str(lesson.runs["ada"].id), str(lesson.runs["ben"].id)
        assert heard(await tutor.until(3)) == [
            ("test.progressed", of_ada),
            ("test.finished", of_ben),
            ("test.finished", of_ada),
        ]
        assert heard(await ada.until(2)) == [("test.progressed", of_ada), ("test.finished", of_ada)]
        assert ada.events[1]["data"]["verdict"] == "passed"
        assert stranger.events == []
        numbers = [int(event["id"]) for event in tutor.events]
        assert numbers == sorted(numbers)


async def test_filters_narrow_a_stream(lesson: Class) -> None:
    group = str(lesson.runs["ben"].submission_group_id)
    async with (
        stream(lesson.base, lesson.tokens["tutor"], submission_group_id=group) as narrow,
        stream(lesson.base, lesson.tokens["tutor"], course_id=lesson.course_id) as wide,
    ):
        await lesson.finish("ada")
        await lesson.finish("ben")
        await wide.until(2)
        assert heard(await narrow.until(1)) == [("test.finished", str(lesson.runs["ben"].id))]


async def test_a_reconnecting_client_misses_nothing(lesson: Class) -> None:
    async with stream(lesson.base, lesson.tokens["ada"]) as ada:
        await lesson.finish("ada", "failed")
        (first,) = await ada.until(1)
    await lesson.progress("ada", "running")
    await lesson.finish("ben")
    await lesson.finish("ada", "passed")
    async with stream(lesson.base, lesson.tokens["ada"], last_event_id=first["id"]) as again:
        later = await again.until(2)
        assert [event["event"] for event in later] == ["test.progressed", "test.finished"]
    async with stream(lesson.base, lesson.tokens["ada"], last_event_id="0") as whole:
        assert len(await whole.until(3)) == 3


async def test_events_from_before_the_host_started_can_be_replayed(lesson: Class, settings: Settings) -> None:
    async with stream(lesson.base, lesson.tokens["ada"]) as ada:
        await lesson.finish("ada")
        await ada.until(1)
    async with (
        serving(settings) as second,
        listening(second.app) as base,
        stream(base, lesson.tokens["ada"], last_event_id="0") as replayed,
    ):
        assert heard(await replayed.until(1)) == [("test.finished", str(lesson.runs["ada"].id))]


async def test_a_right_that_is_taken_away_is_gone_for_the_next_event(lesson: Class) -> None:
    async with (
        stream(lesson.base, lesson.tokens["ben"]) as ben,
        stream(lesson.base, lesson.tokens["tutor"]) as tutor,
        stream(lesson.base, lesson.tokens["ada"]) as ada,
    ):
        await lesson.finish("ben")
        await ben.until(1)
        await tutor.until(1)
        async with lesson.world.session() as session:
            for model, name in ((SubmissionGroupMember, "ben"), (CourseMember, "tutor")):
                users = model.user_id == lesson.users[name].id
                await session.execute(
                    delete(model).where(users), execution_options={"computor_epochs_bumped": True}
                )
        await lesson.finish("ben")
        await lesson.finish("ada")
        await ada.until(1)
        assert (len(ben.events), len(tutor.events)) == (1, 1)
        assert not ben.ended.is_set()


async def test_a_stream_ends_when_its_session_does(lesson: Class) -> None:
    async with (
        stream(lesson.base, lesson.tokens["ada"]) as ada,
        stream(lesson.base, lesson.tokens["ben"]) as ben,
    ):
        headers = {"authorization": f"Bearer {lesson.tokens['ada']}"}
        async with client_for(lesson.host.app, headers=headers) as client:
            assert (await client.post("/api/v1/auth/sign-out")).status_code == 204
        async with asyncio.timeout(SECONDS):
            await ada.ended.wait()
        assert [event["event"] for event in ada.events] == ["end"]
        await lesson.finish("ben")
        await ben.until(1)


async def test_a_banned_user_hears_nothing_more(lesson: Class) -> None:
    async with (
        stream(lesson.base, lesson.tokens["ada"]) as ada,
        stream(lesson.base, lesson.tokens["tutor"]) as tutor,
    ):
        async with lesson.world.session() as session:
            user = await session.get_one(User, lesson.users["ada"].id)
            user.banned_at = lesson.world.now
        await lesson.finish("ada")
        await tutor.until(1)
        async with asyncio.timeout(SECONDS):
            await ada.ended.wait()
        assert [event["event"] for event in ada.events] == ["end"]


async def test_a_stream_needs_a_caller_and_rights_to_what_it_names(lesson: Class) -> None:
    async with client_for(lesson.host.app) as client:
        assert (await client.get("/api/v1/events")).status_code == 401
        client.headers["authorization"] = f"Bearer {lesson.tokens['stranger']}"
        for parameters in (
            {"course_id": lesson.course_id},
            {"submission_group_id": str(lesson.runs["ada"].submission_group_id)},
        ):
            assert (await client.get("/api/v1/events", params=parameters)).status_code == 404
        for wrong in ("-1", "x", "1" * 30, "²"):
            answer = await client.get("/api/v1/events", headers={"last-event-id": wrong.encode("utf-8")})
            assert (answer.status_code, answer.json()["code"]) == (400, "malformed_request")


async def test_a_stopping_server_ends_its_streams_by_itself(settings: Settings, lesson: Class) -> None:
    async with serving(settings) as second:
        async with asyncio.timeout(SECONDS):
            async with listening(second.app) as base, stream(base, lesson.tokens["ada"]) as ada:
                second.app.state.computor_host.feed.close()
                await ada.ended.wait()
