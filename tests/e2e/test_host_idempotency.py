"""One key, one effect: however often, in parallel, over two hosts, and whatever dies in between."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import httpx
import pytest
from computor_fastapi_host.bodies import Answer
from computor_fastapi_host.idempotency import KEPT, Claim, carry_out_once, claim_for, sweep
from pydantic import Field
from sqlalchemy import func, select, update

from computor_core.app import Computor
from computor_core.db.unit_of_work import unit_companion
from computor_core.errors import ConflictError, IdempotencyConflictError, InvalidError
from computor_core.interfaces import ReadDto
from computor_core.model import IdempotencyKey, Organization
from computor_core.plugin_api.principal import Principal, PrincipalKind
from computor_core.settings import Settings
from tests.e2e.host_harness import Host, client_for, serving

ORGANIZATIONS = "/api/v1/organizations"
KEY = {"idempotency-key": "5f0c1e3a-first"}
BODY = {"slug": "tug", "title": "TUG"}


async def rows(host: Host, model: type) -> int:
    async with host.computor.read(Principal.system("test")) as work:
        found = await work.connection.execute(select(func.count()).select_from(model))
        return found.scalar_one()


async def test_a_repetition_gets_the_first_answer_and_changes_nothing(
    host: Host, admin: httpx.AsyncClient
) -> None:
    first = await admin.post(ORGANIZATIONS, json=BODY, headers=KEY)
    again = await admin.post(ORGANIZATIONS, json=BODY, headers=KEY)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    for header in ("location", "etag", "content-type"):
        assert again.headers[header] == first.headers[header]
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert await rows(host, Organization) == 1


async def test_without_a_key_a_repetition_is_a_second_try(admin: httpx.AsyncClient) -> None:
    assert (await admin.post(ORGANIZATIONS, json=BODY)).status_code == 201
    assert (await admin.post(ORGANIZATIONS, json=BODY)).status_code == 409


async def test_the_same_key_for_another_request_is_a_conflict(host: Host, admin: httpx.AsyncClient) -> None:
    await admin.post(ORGANIZATIONS, json=BODY, headers=KEY)
    other = await admin.post(ORGANIZATIONS, json={**BODY, "title": "Other"}, headers=KEY)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")
    assert await rows(host, Organization) == 1


async def test_a_key_belongs_to_its_caller_and_its_path(host: Host, admin: httpx.AsyncClient) -> None:
    from tests.e2e.host_harness import add_user

    await add_user(host.computor, "second@example.org", "_admin")
    await admin.post(ORGANIZATIONS, json=BODY, headers=KEY)
    async with await host.signed_in("second@example.org") as second:
        theirs = await second.post(ORGANIZATIONS, json={"slug": "uni", "title": "Uni"}, headers=KEY)
        assert theirs.status_code == 201
    elsewhere = await admin.post("/api/v1/users", json={"given_name": "Grace"}, headers=KEY)
    assert elsewhere.status_code == 201


async def test_a_refused_request_claims_nothing(host: Host, admin: httpx.AsyncClient) -> None:
    await admin.post(ORGANIZATIONS, json=BODY)
    assert (await admin.post(ORGANIZATIONS, json=BODY, headers=KEY)).status_code == 409
    assert (await admin.post(ORGANIZATIONS, json={"slug": "!"}, headers=KEY)).status_code == 422
    assert await rows(host, IdempotencyKey) == 0
    fixed = await admin.post(ORGANIZATIONS, json={**BODY, "slug": "tug2"}, headers=KEY)
    assert fixed.status_code == 201


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "tab\tinside", "ümlaut"])
async def test_an_unusable_key_is_refused(admin: httpx.AsyncClient, key: str) -> None:
    answer = await admin.post(ORGANIZATIONS, json=BODY, headers={"idempotency-key": key.encode("utf-8")})
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_request")


async def test_twenty_at_once_have_one_effect_and_one_answer(host: Host, admin: httpx.AsyncClient) -> None:
    # No unique rule stops a second user of the same name: the key alone does.
    body = {"given_name": "Grace", "family_name": "Hopper"}
    answers = await asyncio.gather(*[admin.post("/api/v1/users", json=body, headers=KEY) for _ in range(20)])
    assert [answer.status_code for answer in answers] == [201] * 20
    assert len({answer.content for answer in answers}) == 1
    listed = (await admin.get("/api/v1/users", params={"family_name": "Hopper"})).json()["data"]
    assert len(listed) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1


async def test_twenty_over_two_hosts_have_one_effect(
    host: Host, settings: Settings, admin: httpx.AsyncClient
) -> None:
    body = {"given_name": "Grace", "family_name": "Hopper"}
    async with serving(settings) as second, client_for(second.app, headers=dict(admin.headers)) as there:
        calls = [
            client.post("/api/v1/users", json=body, headers=KEY)
            for _ in range(10)
            for client in (admin, there)
        ]
        answers = await asyncio.gather(*calls)
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert len((await admin.get("/api/v1/users", params={"family_name": "Hopper"})).json()["data"]) == 1


async def test_a_kept_answer_is_not_given_to_a_revoked_session(admin: httpx.AsyncClient) -> None:
    await admin.post(ORGANIZATIONS, json=BODY, headers=KEY)
    await admin.post("/api/v1/auth/sign-out")
    assert (await admin.post(ORGANIZATIONS, json=BODY, headers=KEY)).status_code == 401


async def test_a_kept_answer_is_not_given_to_a_token_that_may_not_ask_for_it(
    host: Host, admin: httpx.AsyncClient
) -> None:
    """The token's owner made the row in a session; the token may not, and so doesn't get to see it."""
    body = {"given_name": "Grace", "email": "grace@example.org"}
    assert (await admin.post("/api/v1/users", json=body, headers=KEY)).status_code == 201
    tokens = {}
    for scopes in (["course.read"], None):
        made = await admin.post("/api/v1/auth/tokens", json={"name": "test", "scopes": scopes})
        tokens[scopes is None] = {"authorization": f"Bearer {made.json()['token']}"}
    async with client_for(host.app, headers=tokens[False]) as limited:
        refused = await limited.post("/api/v1/users", json=body, headers=KEY)
    assert refused.status_code == 403
    assert "grace" not in refused.text
    # Whatever may do all that the session may, gets the session's answer.
    async with client_for(host.app, headers=tokens[True]) as unlimited:
        again = await unlimited.post("/api/v1/users", json=body, headers=KEY)
    assert (again.status_code, again.headers["idempotency-replayed"]) == (201, "true")


async def test_a_limited_token_gets_its_own_answer_again(host: Host, admin: httpx.AsyncClient) -> None:
    made = await admin.post("/api/v1/auth/tokens", json={"name": "test", "scopes": ["user.create"]})
    headers = {"authorization": f"Bearer {made.json()['token']}"}
    async with client_for(host.app, headers=headers) as limited:
        first = await limited.post("/api/v1/users", json={"given_name": "Grace"}, headers=KEY)
        again = await limited.post("/api/v1/users", json={"given_name": "Grace"}, headers=KEY)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json()["id"] == first.json()["id"]


async def test_a_request_with_a_secret_is_not_kept(host: Host, admin: httpx.AsyncClient) -> None:
    from tests.e2e.host_harness import add_user

    eve = await add_user(host.computor, "eve@example.org")
    body = {"password": "seven walruses waltzing"}
    answer = await admin.post(f"/api/v1/users/{eve}/set-password", json=body, headers=KEY)
    assert answer.status_code == 204
    await admin.post("/api/v1/auth/tokens", json={"name": "ci"}, headers=KEY)
    assert await rows(host, IdempotencyKey) == 0


async def test_answers_are_kept_for_a_day(host: Host, admin: httpx.AsyncClient) -> None:
    await admin.post(ORGANIZATIONS, json=BODY, headers=KEY)
    assert await sweep(host.computor) == 0
    async with host.computor.uow(Principal.system("test")) as work:
        long_ago = work.now - KEPT - timedelta(seconds=1)
        await work.connection.execute(update(IdempotencyKey.__table__).values(created_at=long_ago))
    assert await sweep(host.computor) == 1
    assert await rows(host, IdempotencyKey) == 0


# --- operations whose answer is known after their transaction ----------------------------------


class Done(ReadDto):
    """What a command answers."""

    number: int = Field(description="How often it ran.")


class Operation:
    """A business operation that opens its units itself, as commands do."""

    def __init__(self, app: Computor, *, units: int = 1, fail_after: int | None = None) -> None:
        self.app = app
        self.runs = 0
        self.units = units
        self.fail_after = fail_after

    async def __call__(self, claim: Claim) -> Answer:
        assert unit_companion.get() is claim
        for number in range(self.units):
            if self.fail_after == number:
                raise InvalidError("this can't be")
            async with self.app.uow(Principal.system("test")) as work:
                await asyncio.sleep(0)
                work.audit("test", "tests", "1", after={"run": number})
        self.runs += 1
        return Answer.of(200, Done(number=self.runs))


@pytest.fixture
async def caller(host: Host) -> Principal:
    from computor_core.db.types import new_id

    return Principal(kind=PrincipalKind.USER, user_id=new_id())


def claim(caller: Principal, body: bytes = b"{}") -> Claim:
    return claim_for(caller, "POST", "/api/v1/things/1/do", "key-1", body)


async def test_twenty_commands_at_once_have_one_effect(host: Host, caller: Principal) -> None:
    operation = Operation(host.computor, units=2)
    answers = await asyncio.gather(
        *[carry_out_once(host.computor, claim(caller), operation) for _ in range(20)]
    )
    assert operation.runs == 1
    assert {answer.body for answer in answers} == {b'{"number":1}'}
    assert unit_companion.get() is None


async def test_a_command_that_is_refused_before_its_first_unit_may_be_repeated(
    host: Host, caller: Principal
) -> None:
    with pytest.raises(InvalidError):
        await carry_out_once(host.computor, claim(caller), Operation(host.computor, fail_after=0))
    operation = Operation(host.computor)
    await carry_out_once(host.computor, claim(caller), operation)
    assert operation.runs == 1


async def test_a_command_that_is_refused_halfway_gives_its_key_back(host: Host, caller: Principal) -> None:
    with pytest.raises(InvalidError):
        await carry_out_once(host.computor, claim(caller), Operation(host.computor, units=2, fail_after=1))
    assert await rows(host, IdempotencyKey) == 0


async def test_a_command_whose_process_died_before_its_answer_is_not_repeated(
    host: Host, caller: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    class DiedError(BaseException):
        """Nothing of ours runs after it."""

    async def died(*_: object) -> None:
        raise DiedError

    with monkeypatch.context() as patched:
        patched.setattr(Claim, "keep_later", died)
        with pytest.raises(DiedError):
            await carry_out_once(host.computor, claim(caller), Operation(host.computor))
    monkeypatch.setattr("computor_fastapi_host.idempotency._WAIT_SECONDS", 0.2)
    operation = Operation(host.computor)
    with pytest.raises(ConflictError):
        await carry_out_once(host.computor, claim(caller), operation)
    assert operation.runs == 0


async def test_another_body_under_the_key_of_a_command_is_a_conflict(host: Host, caller: Principal) -> None:
    await carry_out_once(host.computor, claim(caller), Operation(host.computor))
    with pytest.raises(IdempotencyConflictError):
        await carry_out_once(host.computor, claim(caller, b'{"other": 1}'), Operation(host.computor))


async def test_an_operation_that_writes_nothing_claims_nothing(host: Host, caller: Principal) -> None:
    operation = Operation(host.computor, units=0)
    for _ in range(2):
        await carry_out_once(host.computor, claim(caller), operation)
    assert operation.runs == 2
    assert await rows(host, IdempotencyKey) == 0
