"""Failures are counted where they survive a restart, by name and by address."""

import pytest
from computor_auth_local.lockout import address_subject
from computor_auth_local.provider import LocalAuth, open_auth
from computor_auth_local.tables import LoginAttempt
from sqlalchemy import func, select, text

from computor_core.errors import AuthenticationError, ProviderUnavailableError, TooManyRequestsError
from computor_core.plugin_api.principal import Principal
from computor_core.plugin_api.providers.auth import PasswordSignIn, SetPassword
from plugins.auth_local.tests.bare_core import FAST, Core, LocalAccounts, context_for

LOGIN, GOOD, WRONG = "ada@example.org", "nine elephants, no umbrella", "a giraffe with a hat"


async def fail(provider: LocalAuth, login: str = LOGIN, address: str = "192.0.2.1") -> None:
    with pytest.raises(AuthenticationError):
        await provider.sign_in(PasswordSignIn(login, WRONG, address))


async def locked(provider: LocalAuth, login: str = LOGIN, address: str = "192.0.2.1") -> float:
    with pytest.raises(TooManyRequestsError) as caught:
        await provider.sign_in(PasswordSignIn(login, GOOD, address))
    return caught.value.retry_after


@pytest.fixture
async def ada(accounts: LocalAccounts) -> None:
    await accounts.provider.set_password(SetPassword(await accounts.add(LOGIN), GOOD))


async def test_locks_double_up_to_the_longest(accounts: LocalAccounts, ada: None) -> None:
    for _ in range(FAST.lock_after):
        await fail(accounts.local)
    pauses = []
    for _ in range(10):
        pauses.append(await locked(accounts.local))
        accounts.advance(pauses[-1])
        await fail(accounts.local)
    assert pauses == [5, 10, 20, 40, 80, 160, 320, 640, 900, 900]


async def test_a_lock_outlives_the_process(accounts: LocalAccounts, ada: None, core: Core, tmp_path) -> None:
    for _ in range(FAST.lock_after):
        await fail(accounts.local)
    async with open_auth(FAST, context_for(core, tmp_path)) as another_host:
        assert await locked(another_host) == 5


async def test_failures_are_forgotten_after_a_while(accounts: LocalAccounts, ada: None) -> None:
    for _ in range(FAST.lock_after - 1):
        await fail(accounts.local)
    accounts.advance(FAST.forget_failures_seconds)
    for _ in range(FAST.lock_after - 1):
        await fail(accounts.local)
    await accounts.provider.sign_in(PasswordSignIn(LOGIN, GOOD, "192.0.2.1"))


async def test_an_address_that_tries_many_names_is_locked(core: Core, ada: None, tmp_path) -> None:
    strict = FAST.model_copy(update={"lock_address_after": 8})
    async with open_auth(strict, context_for(core, tmp_path)) as provider:
        for number in range(8):
            await fail(provider, f"guess{number}@example.org", "198.51.100.9")
        assert await locked(provider, LOGIN, "198.51.100.9") == 5
        await provider.sign_in(PasswordSignIn(LOGIN, GOOD, "203.0.113.4"))


async def test_right_passwords_use_up_nothing_of_an_address(core: Core, ada: None, tmp_path) -> None:
    strict = FAST.model_copy(update={"lock_address_after": 3})
    async with open_auth(strict, context_for(core, tmp_path)) as provider:
        for _ in range(10):
            await provider.sign_in(PasswordSignIn(LOGIN, GOOD, "198.51.100.9"))


def test_addresses_count_by_what_one_customer_has() -> None:
    assert address_subject("2001:db8:1:2::1") == address_subject("2001:db8:1:2:ffff::9")
    assert address_subject("2001:db8:1:2::1") != address_subject("2001:db8:1:3::1")
    assert address_subject("::ffff:192.0.2.1") == address_subject("192.0.2.1")
    assert address_subject("192.0.2.1") != address_subject("192.0.2.2")
    assert address_subject("a proxy's socket") != address_subject("192.0.2.1")
    assert address_subject("") is None


async def test_no_name_and_no_address_stand_in_the_table(
    accounts: LocalAccounts, ada: None, core: Core
) -> None:
    await fail(accounts.local, LOGIN, "192.0.2.1")
    async with core.read(Principal.system("test")) as work:
        subjects = (await work.connection.execute(select(LoginAttempt.subject))).scalars().all()
    assert len(subjects) == 2
    assert not any("ada" in subject or "192.0" in subject for subject in subjects)


async def test_invented_names_are_swept(accounts: LocalAccounts, ada: None, core: Core) -> None:
    for number in range(20):
        await fail(accounts.local, f"guess{number}@example.org", "")
    accounts.advance(FAST.forget_failures_seconds + 1)
    await fail(accounts.local, LOGIN, "")
    async with core.read(Principal.system("test")) as work:
        count = (await work.connection.execute(select(func.count()).select_from(LoginAttempt))).scalar_one()
    assert count == 1


async def test_without_its_table_nobody_signs_in(accounts: LocalAccounts, ada: None, core: Core) -> None:
    async with core.uow(Principal.system("test")) as work:
        await work.connection.execute(text("DROP TABLE auth_local_login_attempt"))
    with pytest.raises(Exception, match="auth_local_login_attempt"):
        await accounts.provider.sign_in(PasswordSignIn(LOGIN, GOOD))


async def test_a_try_that_was_never_checked_counts_for_nothing(
    accounts: LocalAccounts, ada: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:

        async def crowded(*_: object) -> bool:
            raise ProviderUnavailableError("too many at once", retry_after=1)

        patched.setattr(accounts.local._hasher, "verify", crowded)
        for _ in range(FAST.lock_after * 3):
            with pytest.raises(ProviderUnavailableError):
                await accounts.provider.sign_in(PasswordSignIn(LOGIN, GOOD))
    await accounts.provider.sign_in(PasswordSignIn(LOGIN, GOOD))


async def test_an_administrators_new_password_ends_the_lock(accounts: LocalAccounts, ada: None) -> None:
    for _ in range(FAST.lock_after):
        await fail(accounts.local)
    await locked(accounts.local)
    identity = await _identity(accounts)
    await accounts.provider.set_password(SetPassword(identity, "another good sentence"))
    await accounts.provider.sign_in(PasswordSignIn(LOGIN, "another good sentence", "192.0.2.1"))


async def _identity(accounts: LocalAccounts):
    accounts.advance(6)
    identity = await accounts.provider.sign_in(PasswordSignIn(LOGIN, GOOD, "192.0.2.1"))
    for _ in range(FAST.lock_after):
        await fail(accounts.local)
    return identity.user_id
