"""The real servers answer as the fixtures promise."""

import asyncpg
import pytest
from sqlalchemy import make_url

seen = []


def dsn(url):
    assert url.startswith("postgresql+asyncpg://")
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


async def query(url, statement):
    connection = await asyncpg.connect(dsn(url))
    try:
        return await connection.fetch(statement)
    finally:
        await connection.close()


@pytest.mark.parametrize("time", ["first", "second"])
async def test_each_test_gets_an_empty_database(postgres_url, time):
    assert postgres_url not in seen
    seen.append(postgres_url)
    tables = await query(postgres_url, "SELECT * FROM pg_tables WHERE schemaname = 'public'")
    assert tables == []
    await query(postgres_url, "CREATE TABLE left_behind (id integer)")


async def test_a_database_goes_with_its_test_even_when_a_connection_stayed_open(postgres_server_url):
    from tests.services_fixtures import _database

    with _database(postgres_server_url) as url:
        connection = await asyncpg.connect(dsn(url))
    with pytest.raises(asyncpg.InvalidCatalogNameError):
        await asyncpg.connect(dsn(url))
    connection.terminate()


@pytest.mark.parametrize("time", ["first", "second"])
async def test_tests_of_a_module_can_share_a_database(postgres_module_url, time):
    await query(postgres_module_url, "CREATE TABLE IF NOT EXISTS shared (id integer)")
    await query(postgres_module_url, "INSERT INTO shared VALUES (1)")
    assert len(await query(postgres_module_url, "SELECT * FROM shared")) == (1 if time == "first" else 2)


async def test_the_role_may_create_databases_and_is_no_superuser(postgres_server_url):
    [role] = await query(postgres_server_url, "SELECT * FROM pg_roles WHERE rolname = current_user")
    assert role["rolcreatedb"]
    assert not role["rolsuper"]


async def test_postgres_is_recent_enough(postgres_server_url):
    [row] = await query(postgres_server_url, "SHOW server_version_num")
    assert int(row["server_version_num"]) >= 150000


async def test_redis_is_recent_enough_and_keeps_nothing_on_disk(redis_url):
    from redis.asyncio import Redis

    async with Redis.from_url(redis_url, decode_responses=True) as client:
        assert int((await client.info("server"))["redis_version"].split(".")[0]) >= 7
        assert await client.config_get("save") == {"save": ""}
        assert await client.config_get("appendonly") == {"appendonly": "no"}


async def test_temporal_serves_and_has_its_default_namespace(temporal_address):
    from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
    from temporalio.client import Client

    client = await Client.connect(temporal_address)
    assert await client.service_client.check_health()
    described = await client.workflow_service.describe_namespace(
        DescribeNamespaceRequest(namespace="default")
    )
    assert described.namespace_info.name == "default"
