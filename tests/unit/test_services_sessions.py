"""What `run`, `start`, `stop` and `status` of tools.services promise, shown on small servers."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tools.services import cli
from tools.services.process import Process, await_ready, free_port, spawn
from tools.services.record import read_record, record_path, records_folder
from tools.services.server import Installed, Running, Server

ROOT = Path(__file__).parents[2]

# A server in a few lines: it listens on its port, or ends when the port is taken.
LISTENER = """
import socket, sys
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("listening", flush=True)
while True:
    server.accept()[0].close()
"""

# Kills the server of a record and waits for its end; a zombie has ended.
KILL_SERVER = """
import json, os, pathlib, signal, sys
pid = json.load(open(sys.argv[1]))["servers"][0]["process"][0]
os.kill(pid, signal.SIGKILL)
while pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX":
    pass
"""


class Listener(Server):
    name = "listener"
    variable = "COMPUTOR_TEST_LISTENER"

    def installed(self):
        return Installed("1", Path(sys.executable))

    def install(self):
        return self.installed()

    def start(self, installed, folder, port):
        log = folder / "log"
        child = spawn(self.name, [installed.program, "-c", LISTENER, str(port)], log)
        process = await_ready(
            self.name, child, log, lambda: "" if "listening" in log.read_text() else "silent", 60
        )
        return Running(self.name, process, signal.SIGTERM, port, log, {self.variable: f"127.0.0.1:{port}"})


class Missing(Listener):
    name = "missing"

    def installed(self):
        return None


class Failing(Listener):
    name = "failing"

    def start(self, installed, folder, port):
        child = spawn(self.name, ["sh", "-c", "echo no disk; exit 4"], folder / "log")
        await_ready(self.name, child, folder / "log", lambda: "silent", 60)
        raise AssertionError


@pytest.fixture
def servers(tmp_path, monkeypatch):
    """The list of servers the command line knows; their data and records are below tmp_path."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(cli, "all_servers", lambda pins: tuple(known))
    data = tmp_path / "data"
    data.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(data))
    known = [Listener()]
    return known


@pytest.fixture
def leftovers(tmp_path, servers):
    """What is left of data folders and records."""
    return lambda: [*(tmp_path / "data").iterdir(), *records_folder().glob("*")]


def shell(script):
    return ["run", "--", "sh", "-c", script]


class TestRun:
    def test_the_command_gets_the_variables_and_its_status_comes_back(self, servers, leftovers, tmp_path):
        out = tmp_path / "out"
        assert cli.main(shell(f"echo $COMPUTOR_TEST_LISTENER > {out}; exit 7")) == 7
        assert out.read_text().startswith("127.0.0.1:")
        assert leftovers() == []

    def test_the_server_is_stopped_afterwards(self, servers, tmp_path):
        copy = tmp_path / "record.json"
        assert cli.main(shell(f"cp {records_folder()}/run-{os.getpid()}.json {copy}")) == 0
        [server] = json.loads(copy.read_text())["servers"]
        assert not Process(*server["process"]).alive()

    def test_a_command_ended_by_a_signal_reports_it_as_a_shell_does(self, servers):
        assert cli.main(shell("kill -KILL $$")) == 128 + signal.SIGKILL

    @pytest.mark.parametrize(("program", "status"), [("./absent", 127), ("/", 126)])
    def test_a_command_that_cannot_run_is_named(self, servers, leftovers, capfd, program, status):
        assert cli.main(["run", "--", program]) == status
        assert f"services: error: services: run {program}: " in capfd.readouterr().err
        assert leftovers() == []

    def test_a_missing_server_stops_it_before_anything_started(self, servers, leftovers, capfd, tmp_path):
        servers.append(Missing())
        assert cli.main(shell(f"touch {tmp_path / 'ran'}")) == 1
        error = capfd.readouterr().err
        assert "missing: look for it: it is not installed" in error
        assert "install --only missing" in error
        assert "listener" not in error
        assert not (tmp_path / "ran").exists()

    def test_a_server_that_fails_is_named_and_the_others_are_stopped(
        self, servers, leftovers, capfd, tmp_path
    ):
        servers.append(Failing())
        assert cli.main(shell(f"touch {tmp_path / 'ran'}")) == 1
        error = capfd.readouterr().err
        assert "listener answers" in error
        assert "failing: start: ended at once with status 4:\n  | no disk" in error
        assert not (tmp_path / "ran").exists()
        assert leftovers() == []

    def test_only_starts_the_named_ones(self, servers, tmp_path):
        servers.append(Failing())
        assert cli.main(["run", "--only", "listener", "--", "true"]) == 0

    def test_a_server_that_dies_meanwhile_fails_the_run(self, servers, leftovers, capfd):
        record = records_folder() / f"run-{os.getpid()}.json"
        assert cli.main(["run", "--", sys.executable, "-c", KILL_SERVER, str(record)]) == 1
        assert "listener: ended while the command ran:\n  | listening" in capfd.readouterr().err
        assert leftovers() == []

    def test_another_port_is_tried_when_the_first_is_taken(self, servers, monkeypatch, capfd):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            ports = iter([taken.getsockname()[1], free_port()])
            monkeypatch.setattr("tools.services.session.free_port", lambda: next(ports))
            assert cli.main(["run", "--", "true"]) == 0
        assert "its port was taken meanwhile" in capfd.readouterr().err


class TestWrongUse:
    @pytest.mark.parametrize(
        ("arguments", "complaint"),
        [
            ([], "arguments are required: ACTION"),
            (["run"], "run takes a command after --"),
            (["run", "--"], "run takes a command after --"),
            (["stop", "--", "x"], "stop takes no command after --"),
            (["start", "--only", "mysql"], "no such server: mysql (known are listener)"),
        ],
    )
    def test_is_status_2_with_the_reason(self, servers, capfd, arguments, complaint):
        with pytest.raises(SystemExit) as caught:
            cli.main(arguments)
        assert caught.value.code == 2
        assert complaint in capfd.readouterr().err


class TestByHand:
    def test_started_servers_stay_until_stopped(self, servers, leftovers, capfd):
        assert cli.main(["start"]) == 0
        exports = capfd.readouterr().out
        assert exports.startswith("export COMPUTOR_TEST_LISTENER=127.0.0.1:")
        [running] = read_record(record_path("by-hand")).servers
        assert running.process.alive()

        assert cli.main(["status"]) == 0
        assert capfd.readouterr().out.endswith(exports)

        assert cli.main(["start"]) == 1
        assert "stop them first" in capfd.readouterr().err

        assert cli.main(["stop"]) == 0
        assert not running.process.alive()
        assert leftovers() == []

    def test_a_run_leaves_them_alone(self, servers):
        assert cli.main(["start"]) == 0
        try:
            assert cli.main(["run", "--", "true"]) == 0
            [running] = read_record(record_path("by-hand")).servers
            assert running.process.alive()
        finally:
            assert cli.main(["stop"]) == 0

    def test_stop_without_start_is_no_error(self, servers, capfd):
        assert cli.main(["stop"]) == 0
        assert "nothing was started" in capfd.readouterr().err

    def test_status_says_what_is_missing(self, servers, capfd):
        servers.append(Missing())
        assert cli.main(["status"]) == 0
        out = capfd.readouterr().out
        assert "# listener: 1, " in out
        assert "# missing: not installed" in out


class TestSignals:
    """The tool in a process of its own, since it is that process which gets the signal."""

    @pytest.fixture
    def tool(self, servers, tmp_path, monkeypatch):
        monkeypatch.setenv("TMPDIR", str(tmp_path / "data"))
        script = tmp_path / "tool.py"
        script.write_text(
            f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(Path(__file__).parent)!r}]\n"
            "import test_services_sessions as t\n"
            "t.cli.all_servers = lambda pins: (t.Listener(),)\n"
            "sys.exit(t.cli.main(sys.argv[1:]))\n"
        )

        def start(*command):
            arguments = [sys.executable, script, "run", "--", *command]
            pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
            return subprocess.Popen(arguments, text=True, **pipes)

        return start

    def test_sigterm_reaches_the_command_and_the_servers_are_stopped(self, tool, leftovers):
        with tool("sh", "-c", "trap 'exit 5' TERM; echo ready; while :; do sleep 0.05; done") as process:
            assert process.stdout.readline() == "ready\n"
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)
        assert process.returncode == 5
        assert leftovers() == []

    def test_a_killed_tool_is_cleaned_up_after_by_the_next_run(self, tool, leftovers, capfd):
        # The command outlives the killed tool and ends when its standard input does, after the `with` block.
        with tool("sh", "-c", "echo ready; exec cat") as process:
            assert process.stdout.readline() == "ready\n"
            [record] = [read_record(path) for path in records_folder().iterdir()]
            process.kill()
            process.wait(timeout=60)
            [running] = record.servers
            assert running.process.alive()

            assert cli.main(["run", "--", "true"]) == 0
            assert "stopping what a killed run left: listener" in capfd.readouterr().err
            assert not running.process.alive()
            assert leftovers() == []
