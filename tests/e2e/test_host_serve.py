"""``computor serve`` as a process: it starts when it can, says why when it can't, and ends in order."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.e2e.host_harness import ADMIN, PASSWORD

START_SECONDS = 60


def environment(folder: Path, **more: str) -> dict[str, str]:
    """The variables of a deployment in a folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COMPUTOR_")}
    return {
        **kept,
        "COMPUTOR_DATA_DIR": str(folder),
        "COMPUTOR_PLUGINS__ENABLED": '["auth_local", "storage_local", "git_local"]',
        "COMPUTOR_AUTH__INSTANCES__DEFAULT__TYPE": "local",
        "COMPUTOR_AUTH__INSTANCES__DEFAULT__TIME_COST": "1",
        "COMPUTOR_AUTH__INSTANCES__DEFAULT__MEMORY_KIB": "64",
        "COMPUTOR_AUTH__INSTANCES__DEFAULT__PARALLELISM": "1",
        **more,
    }


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "computor_cli", *words]


def run(folder: Path, *words: str, **options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*words),
        env=environment(folder, **options),
        capture_output=True,
        text=True,
        check=False,
        timeout=START_SECONDS,
        cwd=folder.parent,
    )


@dataclass
class Server:
    process: subprocess.Popen[str]
    base: str
    log: Path


@contextmanager
def started(folder: Path, *words: str, **options: str) -> Iterator[Server]:
    """A running server on a free port; killed at the end unless the test has ended it."""
    log = folder.parent / "server.log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            command("serve", "--port", "0", *words),
            env=environment(folder, **options),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            cwd=folder.parent,
        )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if line.startswith("Computor answers at "):
                yield Server(process, line.removeprefix("Computor answers at ").strip(), log)
                break
        else:
            pytest.fail(f"the server ended with {process.wait()}:\n{log.read_text()[-3000:]}")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_it_says_where_it_answers_and_ends_in_order(data_dir: Path) -> None:
    with started(data_dir) as server:
        assert httpx.get(f"{server.base}/readyz", timeout=30).status_code == 200
        assert httpx.get(f"{server.base}/api/v1/users", timeout=30).status_code == 401
        assert server.base.startswith("http://127.0.0.1:")
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(START_SECONDS) == 0
    lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    access = [line for line in lines if line["logger"] == "computor.access"]
    assert [(line["path"], line["status"]) for line in access] == [("/readyz", 200), ("/api/v1/users", 401)]
    assert all(line["request_id"] and line["time"] and line["level"] for line in access)


def test_ctrl_c_ends_it_in_order_too(data_dir: Path) -> None:
    with started(data_dir) as server:
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(START_SECONDS) == 0
    assert "Traceback" not in server.log.read_text()


def test_a_taken_port_is_one_clear_error(data_dir: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run(data_dir, "serve", "--port", str(port))
    assert done.returncode == 1
    assert str(port) in done.stderr
    assert "address_unavailable" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_an_address_of_another_machine_is_one_clear_error(data_dir: Path) -> None:
    done = run(data_dir, "serve", "--host", "192.0.2.1", "--port", "0")
    assert done.returncode == 1
    assert "address_unavailable" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_empty_database_is_refused_and_nothing_is_migrated(tmp_path: Path) -> None:
    folder = tmp_path / "fresh"
    done = run(folder, "serve", "--port", "0")
    assert done.returncode == 78
    assert "schema_version" in done.stderr
    assert "computor db upgrade" in done.stderr
    assert run(folder, "db", "pending").returncode == 1


def test_it_migrates_when_it_is_told_to(tmp_path: Path) -> None:
    with started(tmp_path / "fresh", "--migrate") as server:
        assert httpx.get(f"{server.base}/readyz", timeout=30).json()["checks"]["migrations"] == "ok"


def test_a_wrong_setting_is_named(data_dir: Path) -> None:
    done = run(data_dir, "serve", "--port", "0", COMPUTOR_SERVER__PROT="1")
    assert done.returncode == 78
    assert "prot" in done.stderr.lower()
    assert "Traceback" not in done.stderr


def test_what_is_left_out_and_what_is_missing_is_in_the_log(data_dir: Path) -> None:
    broken = {
        "COMPUTOR_PLUGINS__ENABLED": '["auth_local", "storage_local", "nobody"]',
        "COMPUTOR_PLUGINS__ON_ERROR": "degrade",
    }
    with started(data_dir, **broken) as server:
        assert httpx.get(f"{server.base}/healthz", timeout=30).status_code == 200
    lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    warnings = [line["message"] for line in lines if line["level"] == "warning"]
    assert any("left out" in said and "nobody: missing" in said for said in warnings), warnings
    assert any(said.startswith("no git instance: ") for said in warnings), warnings
    assert any(said.startswith("no runner instance: ") for said in warnings), warnings


@pytest.mark.parametrize("words", [["--port", "70000"], ["--port", "x"], ["--nope"]])
def test_a_wrong_option_is_a_usage_error(data_dir: Path, words: list[str]) -> None:
    assert run(data_dir, "serve", *words).returncode == 2


def test_a_second_host_on_the_same_file_is_refused(data_dir: Path) -> None:
    with started(data_dir) as server:
        done = run(data_dir, "serve", "--port", "0")
        assert done.returncode == 78
        assert "in use" in done.stderr
        assert httpx.get(f"{server.base}/healthz", timeout=30).status_code == 200


def test_no_secret_reaches_the_log(data_dir: Path) -> None:
    made = subprocess.run(
        command("admin", "create", "--email", ADMIN, "--password-stdin"),
        env=environment(data_dir),
        input=PASSWORD,
        capture_output=True,
        text=True,
        check=False,
        timeout=START_SECONDS,
    )
    assert made.returncode == 0, made.stderr
    with started(data_dir) as server, httpx.Client(base_url=server.base, timeout=30) as client:
        wrong = {"login": ADMIN, "password": "a wrong but secret guess"}
        assert client.post("/api/v1/auth/sign-in", json=wrong).status_code == 401
        token = client.post("/api/v1/auth/sign-in", json={"login": ADMIN, "password": PASSWORD}).json()[
            "token"
        ]
        client.headers["authorization"] = f"Bearer {token}"
        made_token = client.post("/api/v1/auth/tokens", json={"name": "ci"}).json()["token"]
        assert client.get(f"/api/v1/users?token={token}").status_code == 422
        assert client.post("/api/v1/auth/sign-out").status_code == 204
        assert client.get("/api/v1/user").status_code == 401
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(START_SECONDS)
    text = server.log.read_text()
    assert ADMIN not in text
    for secret in (PASSWORD, "a wrong but secret guess", token, made_token):
        assert secret not in text
        assert secret[:12] not in text


def test_a_claimed_address_is_believed_from_a_trusted_proxy_alone(data_dir: Path) -> None:
    claimed = {"x-forwarded-for": "203.0.113.77"}
    for trusted, expected in (("[]", "127.0.0.1"), ('["127.0.0.1"]', "203.0.113.77")):
        with started(data_dir, COMPUTOR_SERVER__TRUSTED_PROXIES=trusted) as server:
            httpx.get(f"{server.base}/healthz", headers=claimed, timeout=30)
            server.process.send_signal(signal.SIGTERM)
            server.process.wait(START_SECONDS)
        lines = [json.loads(line) for line in server.log.read_text().splitlines()]
        assert [line["address"] for line in lines if line["logger"] == "computor.access"] == [expected]
