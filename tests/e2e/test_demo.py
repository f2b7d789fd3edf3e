"""``computor demo`` as a process, with a small library: what it prints works, and it ends in order."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest
from computor_fastapi_host.demo import server
from computor_fastapi_host.demo.api import DemoError

from tests.e2e.killing import git

EXAMPLES = Path(__file__).parents[2] / "examples"
EXAMPLE = "bash.count_words"
OPERATORS_OWN = {
    "COMPUTOR_DATABASE__URL": "postgresql+asyncpg://operator:secret@127.0.0.1:9/computor",
    "COMPUTOR_SERVER__PROT": "no such setting",
    "http_proxy": "http://127.0.0.1:9",
    "all_proxy": "http://127.0.0.1:9",
}
"""Variables that lead elsewhere: to an operator's database and through a proxy that isn't there."""


def command(folder: Path, library: Path, *words: str) -> list[str]:
    return server.command("demo", "--folder", str(folder), "--library", str(library), *words)


def run(folder: Path, library: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(folder, library, *words),
        env={**os.environ, **OPERATORS_OWN},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One exercise; a student's right solution is followed by a wrong one of the same student."""
    folder = tmp_path_factory.mktemp("library")
    shutil.copytree(EXAMPLES / EXAMPLE, folder / EXAMPLE)
    shutil.copytree(EXAMPLES / "_submissions" / EXAMPLE, folder / "_submissions" / EXAMPLE)
    (folder / "submissions.yaml").write_text(
        f"- {{example: {EXAMPLE}, label: wrong, verdict: failed}}\n"
        f"- {{example: {EXAMPLE}, label: partial, verdict: partial}}\n"
        f"- {{example: {EXAMPLE}, label: empty, verdict: missing_files}}\n"
        f"- {{example: {EXAMPLE}, label: partial, verdict: partial}}\n"
        f"- {{example: {EXAMPLE}, label: wrong, verdict: failed}}\n"
    )
    return folder


@dataclass
class Served:
    """A demo that serves on: its process, its folder and what it printed until then."""

    process: subprocess.Popen[str]
    folder: Path
    lines: list[str]

    def line(self, beginning: str) -> str:
        (found,) = [line.strip() for line in self.lines if line.strip().startswith(beginning)]
        return found


@pytest.fixture(scope="module")
def served(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served") / "demo"
    process = subprocess.Popen(
        command(folder, library),
        env={**os.environ, **OPERATORS_OWN},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    lines: list[str] = []
    try:
        for line in process.stdout:
            lines.append(line)
            if "git clone" in line:
                break
        else:
            pytest.fail("the demo ended:\n" + "".join(lines))
        yield Served(process, folder, lines)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.wait(60)
        process.stdout.close()


def test_the_gradebook_shows_the_tutors_points(served: Served) -> None:
    standings = served.line("bash.count_words").split()
    assert standings == ["bash.count_words", "10", "9.5*", "0", "6.6667", "0", "6.6667"]


def test_the_printed_sign_in_gives_a_token_for_the_api_and_for_git(served: Served, tmp_path: Path) -> None:
    words = shlex.split(served.line("curl "))
    body, address = words[words.index("-d") + 1], words[-1]
    with httpx.Client(trust_env=False, timeout=30) as client:
        answer = client.post(address, content=body, headers={"Content-Type": "application/json"})
        token = answer.json()["token"]
        seen = client.get(
            address.replace("/auth/sign-in", "/user"), headers={"Authorization": f"Bearer {token}"}
        )
        assert (answer.status_code, seen.status_code) == (200, 200)
    url = served.line("git clone ").split()[-1].replace("http://", f"http://anybody:{token}@")
    done = git("clone", "--quiet", url, "clone", cwd=tmp_path, environment={})
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "clone" / "bash" / "count_words").is_dir()


def test_a_second_demo_leaves_a_running_ones_folder_alone(served: Served, library: Path) -> None:
    done = run(served.folder, library, "--once")
    assert done.returncode == 2
    assert "error [usage]: another demo runs in" in done.stderr
    assert (served.folder / "data" / "computor.db").is_file()


def test_ended_by_sigterm_it_takes_its_host_along_and_its_folder_can_be_used_again(
    served: Served, library: Path
) -> None:
    address = served.line("API document:").split()[-1]
    with httpx.Client(trust_env=False, timeout=30) as client:
        assert client.get(address).status_code == 200
        served.process.send_signal(signal.SIGTERM)
        served.process.wait(60)
        with pytest.raises(httpx.ConnectError):
            client.get(address)
    done = run(served.folder, library, "--once")
    assert (done.returncode, done.stderr) == (0, "")
    figures = json.loads(done.stdout.splitlines()[-1])["demo"]
    assert (figures["submissions"], figures["results"], figures["graded"]) == (6, 6, 1)
    assert figures["by_transport"] == {"git": 2, "upload": 4}
    assert figures["by_verdict"] == {"failed": 2, "missing_files": 1, "partial": 2, "passed": 1}


def test_a_folder_of_somebody_elses_is_refused(library: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    done = run(tmp_path, library, "--once")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error [usage]:")
    assert [item.name for item in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_place_where_no_folder_can_be_made_is_one_clear_line(library: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run(tmp_path / "file" / "demo", library, "--once")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("the demo failed: ")
    assert "Traceback" not in done.stderr


def test_a_folder_without_a_list_of_submissions_is_no_library(tmp_path: Path) -> None:
    done = run(tmp_path / "demo", tmp_path, "--once")
    assert (done.returncode, done.stdout) == (2, "")
    assert "submissions.yaml" in done.stderr
    assert not (tmp_path / "demo").exists()


def test_a_port_that_is_none_is_a_usage_error(library: Path, tmp_path: Path) -> None:
    assert run(tmp_path / "demo", library, "--port", "99999").returncode == 2
    assert not (tmp_path / "demo").exists()


class EverythingIsFine(BaseHTTPRequestHandler):
    """Somebody else's server, which answers as a healthy host would."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        """Say nothing on the tests' standard error."""


def test_what_answers_on_a_taken_port_is_not_taken_for_the_host(tmp_path: Path) -> None:
    environment = {"COMPUTOR_DATA_DIR": str(tmp_path / "data"), "COMPUTOR_CONFIG": str(tmp_path / "c.toml")}
    (tmp_path / "c.toml").write_text("")
    with ThreadingHTTPServer(("127.0.0.1", 0), EverythingIsFine) as other:
        answering = Thread(target=other.serve_forever)
        answering.start()
        try:
            with (
                pytest.raises(DemoError, match="address_unavailable"),
                server.serving(environment, other.server_port, tmp_path / "host.log"),
            ):
                pytest.fail("somebody else's answer was believed")
        finally:
            other.shutdown()
            answering.join()
