"""The plugin's own tables: migrated apart, gone with their user, no trace of a secret."""

from pathlib import Path

import pytest
from computor_auth_local.tables import Password
from sqlalchemy import delete, func, select

from computor_core.migrations import runner
from computor_core.migrations.comparison import drift
from computor_core.migrations.lineage import lineages
from computor_core.model import AuditEvent, AuditValue, User
from computor_core.plugin_api.principal import Principal
from computor_core.plugin_api.providers.auth import PasswordSignIn, SetPassword
from plugins.auth_local.tests.bare_core import Core, LocalAccounts, migrations

LOGIN, GOOD = "ada@example.org", "nine elephants, no umbrella"


async def test_the_migration_makes_what_the_models_map(core: Core) -> None:
    assert (await drift(core.database, lineages(migrations())))["auth_local"] == []


async def test_the_lineage_goes_down_and_up_again(core: Core) -> None:
    await runner.downgrade(core.database, migrations(), "auth_local", "base")
    async with core.read(Principal.system("test")) as work:
        tables = await work.connection.run_sync(
            lambda connection: connection.dialect.get_table_names(connection)
        )
    assert not any(table.startswith("auth_local") and "alembic" not in table for table in tables)
    await runner.upgrade(core.database, migrations())
    assert (await drift(core.database, lineages(migrations())))["auth_local"] == []


async def test_a_deleted_users_password_goes_too(accounts: LocalAccounts, core: Core) -> None:
    user_id = await accounts.add(LOGIN)
    await accounts.provider.set_password(SetPassword(user_id, GOOD))
    async with core.uow(Principal.system("test")) as work:
        await work.connection.execute(delete(User.__table__).where(User.__table__.c.id == user_id))
    async with core.read(Principal.system("test")) as work:
        assert (await work.connection.execute(select(func.count()).select_from(Password))).scalar_one() == 0


async def test_setting_a_password_is_audited_without_it(accounts: LocalAccounts, core: Core) -> None:
    user_id = await accounts.add(LOGIN)
    await accounts.provider.set_password(SetPassword(user_id, GOOD))
    async with core.read(Principal.system("test")) as work:
        events = (await work.connection.execute(select(AuditEvent))).all()
        values = (await work.connection.execute(select(AuditValue))).all()
    assert [(event.action, event.row_id, event.actor_label) for event in events] == [
        ("auth_local:password.set", str(user_id), "auth_local")
    ]
    assert all(GOOD not in str(row) and "argon2" not in str(row) for row in values)


async def test_the_database_file_never_holds_a_password(
    accounts: LocalAccounts, core: Core, tmp_path: Path
) -> None:
    user_id = await accounts.add(LOGIN)
    await accounts.provider.set_password(SetPassword(user_id, GOOD))
    await accounts.provider.sign_in(PasswordSignIn(LOGIN, GOOD))
    if not core.database.is_sqlite:
        pytest.skip("PostgreSQL keeps its files elsewhere")
    assert not found_in_files(tmp_path, GOOD)
    assert found_in_files(tmp_path, LOGIN)


def found_in_files(folder: Path, needle: str) -> bool:
    return any(needle.encode() in file.read_bytes() for file in folder.iterdir() if file.is_file())
