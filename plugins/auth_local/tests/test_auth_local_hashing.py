"""Hashes follow the settings, cost the same for everybody, and never take all memory."""

import asyncio
import threading

import anyio
import pytest
from argon2 import PasswordHasher, extract_parameters
from computor_auth_local.hashing import Hasher
from computor_auth_local.provider import open_auth
from computor_auth_local.settings import AuthLocalSettings
from computor_auth_local.tables import Password
from pydantic import ValidationError
from sqlalchemy import select

from computor_core.errors import AuthenticationError, ProviderUnavailableError
from computor_core.plugin_api.principal import Principal
from computor_core.plugin_api.providers.auth import PasswordSignIn, SetPassword
from plugins.auth_local.tests.bare_core import FAST, Core, LocalAccounts, context_for

LOGIN, GOOD = "ada@example.org", "nine elephants, no umbrella"


async def stored_hash(core: Core) -> str:
    async with core.read(Principal.system("test")) as work:
        return (await work.connection.execute(select(Password.password_hash))).scalar_one()


async def test_the_hash_is_argon2id_with_the_settings_parameters(accounts: LocalAccounts, core: Core) -> None:
    await accounts.provider.set_password(SetPassword(await accounts.add(LOGIN), GOOD))
    known = await stored_hash(core)
    parameters = extract_parameters(known)
    assert known.startswith("$argon2id$")
    assert (parameters.time_cost, parameters.memory_cost, parameters.parallelism) == (1, 64, 1)


async def test_a_sign_in_after_new_parameters_renews_the_hash(
    accounts: LocalAccounts, core: Core, tmp_path
) -> None:
    user_id = await accounts.add(LOGIN)
    await accounts.provider.set_password(SetPassword(user_id, GOOD))
    old = await stored_hash(core)
    stronger = FAST.model_copy(update={"time_cost": 2})
    async with open_auth(stronger, context_for(core, tmp_path)) as provider:
        with pytest.raises(AuthenticationError):
            await provider.sign_in(PasswordSignIn(LOGIN, "something else entirely"))
        assert await stored_hash(core) == old
        await provider.sign_in(PasswordSignIn(LOGIN, GOOD))
        renewed = await stored_hash(core)
        assert extract_parameters(renewed).time_cost == 2
        await provider.sign_in(PasswordSignIn(LOGIN, GOOD))
        assert await stored_hash(core) == renewed


async def test_every_try_costs_exactly_one_hash(
    accounts: LocalAccounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    user_id = await accounts.add(LOGIN)
    await accounts.provider.set_password(SetPassword(user_id, GOOD))
    await accounts.add("nopassword@example.org")
    archived = await accounts.add("archived@example.org")
    await accounts.provider.set_password(SetPassword(archived, GOOD))
    await accounts.archive(archived)
    verified: list[str] = []
    real = PasswordHasher.verify

    def counted(self: PasswordHasher, known: str, password: bytes) -> bool:
        verified.append(str(extract_parameters(known)))
        return real(self, known, password)

    monkeypatch.setattr(PasswordHasher, "verify", counted)
    tries = [
        (LOGIN, "the wrong password"),
        (LOGIN, ""),
        (LOGIN, "x" * 100_000),
        ("nobody@example.org", GOOD),
        ("nopassword@example.org", GOOD),
        ("archived@example.org", GOOD),
        ("", GOOD),
    ]
    for number, (login, password) in enumerate(tries, start=1):
        with pytest.raises(AuthenticationError):
            await accounts.provider.sign_in(PasswordSignIn(login, password))
        assert len(verified) == number
    assert len(set(verified)) == 1


async def test_a_damaged_hash_lets_nobody_in(accounts: LocalAccounts, core: Core) -> None:
    user_id = await accounts.add(LOGIN)
    await accounts.provider.set_password(SetPassword(user_id, GOOD))
    async with core.uow(Principal.system("test")) as work:
        row = await work.session.get_one(Password, user_id)
        row.password_hash = "not a hash"
    with pytest.raises(AuthenticationError):
        await accounts.provider.sign_in(PasswordSignIn(LOGIN, GOOD))


async def test_hashes_run_outside_the_loop_and_no_more_at_once_than_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = FAST.model_copy(update={"concurrent_hashes": 2, "waiting_hashes": 3})
    hasher = await Hasher.create(settings)
    gate, at_work, most = threading.Event(), 0, 0
    lock = threading.Lock()

    def slow(self: PasswordHasher, known: str, password: bytes) -> bool:
        nonlocal at_work, most
        assert threading.current_thread() is not threading.main_thread()
        with lock:
            at_work += 1
            most = max(most, at_work)
        gate.wait(20)
        with lock:
            at_work -= 1
        return False

    monkeypatch.setattr(PasswordHasher, "verify", slow)
    tries = [asyncio.create_task(hasher.verify(None, b"x")) for _ in range(6)]
    with anyio.fail_after(20):
        while hasher.waiting < 4:  # noqa: ASYNC110 - the limiter tells nobody when somebody queues up
            await anyio.sleep(0.01)
    with pytest.raises(ProviderUnavailableError) as caught:
        await hasher.verify(None, b"x")
    assert caught.value.retry_after is not None
    gate.set()
    assert await asyncio.gather(*tries) == [False] * 6
    assert most == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"memory_kib": 8, "parallelism": 4},
        {"first_lock_seconds": 60, "longest_lock_seconds": 30},
        {"forget_failures_seconds": 10},
        {"time_cost": 0},
        {"minimum_length": 4},
        {"pepper": "unknown"},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        AuthLocalSettings.model_validate(wrong)
