"""The parts of tools.services that need no server: pins, cache, processes, records, packages."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tools.services import packages
from tools.services.cache import build_once, cache_folder, cached_folder
from tools.services.errors import PortTakenError, ServiceError
from tools.services.execute import execute, last_lines
from tools.services.pins import PackagePin, parse_version, read_pins
from tools.services.process import (
    Process,
    await_ready,
    free_port,
    identify,
    spawn,
    start_failure,
    stop,
)
from tools.services.record import Record, abandoned_records, read_record, record_path
from tools.services.registry import all_servers, choose
from tools.services.server import Running
from tools.services.toolchain import go_version

ROOT = Path(__file__).parents[2]
IGNORES_SIGTERM = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def sleeper():
    child = subprocess.Popen(["sleep", "60"])
    yield child
    child.kill()
    child.wait()


class TestPins:
    def test_the_real_file_is_complete(self):
        pins = read_pins()
        assert pins.postgres.minimum >= (15,)
        assert pins.redis.minimum >= (7,)
        assert pins.go.minimum >= (1, 25)
        assert pins.temporal.version == "v1.5.1"
        assert all(digest.startswith("sha256:") and len(digest) == 71 for digest in pins.go.hashes)

    @pytest.mark.parametrize(
        ("content", "complaint"),
        [
            ("", "entry 'postgres' is missing"),
            ("[postgres", "Expected ']'"),
            ("[postgres]\npackages = 'postgresql'\nminimum = '15'", "packages must be a list"),
            ("[postgres]\npackages = []\nminimum = 'new'", "invalid literal"),
        ],
    )
    def test_a_bad_file_is_named_with_the_fault(self, tmp_path, content, complaint):
        path = tmp_path / "pins.toml"
        path.write_text(content)
        with pytest.raises(ServiceError) as caught:
            read_pins(path)
        assert str(path) in str(caught.value)
        assert complaint in str(caught.value)

    def test_versions_compare_as_numbers(self):
        assert parse_version("1.9") < parse_version("1.10.2")

    @pytest.mark.parametrize(
        ("reported", "version"),
        [
            ("go version go1.26.8 linux/amd64", (1, 26, 8)),
            ("go version go1.19 linux/arm64", (1, 19)),
            ("go version devel +abc linux/amd64", None),
            ("go: not found", None),
        ],
    )
    def test_go_reports_its_version(self, reported, version):
        assert go_version(reported) == version


class TestChoice:
    def test_all_servers_by_default(self):
        servers = all_servers(read_pins())
        assert [server.name for server in choose(servers, None)] == ["postgres", "redis", "temporal"]

    def test_some_keep_their_start_order(self):
        servers = all_servers(read_pins())
        assert [server.name for server in choose(servers, "temporal, postgres")] == ["postgres", "temporal"]

    @pytest.mark.parametrize(
        ("only", "complaint"), [("postgres,mysql", "no such server: mysql"), (",", "no server")]
    )
    def test_an_unknown_name_lists_the_known(self, only, complaint):
        with pytest.raises(ValueError, match=f"{complaint}.*known are postgres, redis, temporal"):
            choose(all_servers(read_pins()), only)


class TestExecute:
    def test_returns_what_the_program_wrote(self):
        assert execute("x", "say", ["sh", "-c", "echo out; echo err >&2"], timeout=30) == "out\nerr\n"

    def test_a_failure_names_server_step_command_status_and_output(self):
        with pytest.raises(ServiceError) as caught:
            execute("redis", "make a wish", ["sh", "-c", "echo no more wishes; exit 3"], timeout=30)
        text = str(caught.value)
        assert text.startswith("redis: make a wish: `sh -c 'echo no more wishes; exit 3'` exited with 3")
        assert text.endswith("| no more wishes")

    def test_a_missing_program_is_named(self, tmp_path):
        with pytest.raises(ServiceError, match="No such file or directory"):
            execute("redis", "start", [tmp_path / "absent"], timeout=30)

    def test_a_program_that_hangs_is_ended(self):
        with pytest.raises(ServiceError, match=r"did not end within 0\.01 s"):
            execute("redis", "start", ["sleep", "60"], timeout=0.01)

    def test_only_the_last_lines_are_shown(self):
        assert last_lines("a\n\nb\nc\n", 2) == ":\n  | b\n  | c"
        assert last_lines("\n") == ""


class TestCache:
    def test_follows_the_xdg_variable_only_where_it_is_absolute(self, tmp_path, monkeypatch):
        assert cache_folder() == tmp_path / "cache" / "computor" / "services"
        monkeypatch.setenv("XDG_CACHE_HOME", "relative")
        monkeypatch.setenv("HOME", str(tmp_path))
        assert cache_folder() == tmp_path / ".cache" / "computor" / "services"

    def test_builds_once_for_each_pin(self):
        built = []

        def build(part):
            built.append(part)
            (part / "program").write_text("content")

        for pin in ("v1", "v1", "v2"):
            assert (build_once("thing", pin, build) / "program").read_text() == "content"
        assert len(built) == 2
        assert not any(part.exists() for part in built)

    def test_a_failed_build_leaves_nothing_and_is_tried_again(self):
        def fail(part):
            (part / "half").write_text("written")
            raise ServiceError("thing", "build", "no luck")

        with pytest.raises(ServiceError, match="no luck"):
            build_once("thing", "v1", fail)
        assert [path.name for path in cache_folder().iterdir()] == [".thing-v1.lock"]
        assert build_once("thing", "v1", lambda part: None) == cached_folder("thing", "v1")

    def test_the_remains_of_a_killed_build_are_removed(self):
        remains = cache_folder() / ".thing-v1.part-abc"
        remains.mkdir(parents=True)
        build_once("thing", "v1", lambda part: None)
        assert not remains.exists()

    def test_two_builds_at_once_become_one(self, tmp_path):
        script = (
            "from tools.services.cache import build_once\n"
            "build_once('thing', 'v1', lambda part: print('built', part, flush=True))\n"
        )
        started = [
            subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=ROOT)
            for _ in range(3)
        ]
        outputs = [process.communicate(timeout=60)[0] for process in started]
        assert [process.returncode for process in started] == [0, 0, 0]
        assert sum(output.count("built") for output in outputs) == 1

    def test_a_folder_that_cannot_be_written_is_one_clear_error(self, tmp_path):
        (tmp_path / "cache").write_text("in the way")
        with pytest.raises(ServiceError, match=r"thing: write the cache: .*Not a directory"):
            build_once("thing", "v1", lambda part: None)


class TestProcesses:
    def test_a_process_is_recognised(self, sleeper):
        process = identify(sleeper.pid)
        assert process is not None
        assert process.alive()
        assert identify(os.getpid()) not in (None, process)

    def test_a_zombie_has_ended(self, sleeper):
        process = identify(sleeper.pid)
        sleeper.kill()
        os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
        assert not process.alive()

    def test_another_process_with_the_same_number_is_left_alone(self, sleeper):
        process = identify(sleeper.pid)
        stop("x", Process(process.pid, process.started - 1), signal.SIGKILL, grace=5)
        assert process.alive()

    def test_stop_waits_for_the_end(self, sleeper):
        process = identify(sleeper.pid)
        stop("x", process, signal.SIGTERM, grace=30)
        assert not process.alive()
        assert sleeper.wait() == -signal.SIGTERM

    def test_what_ignores_the_signal_is_killed(self):
        with subprocess.Popen([sys.executable, "-c", IGNORES_SIGTERM], stdout=subprocess.PIPE) as child:
            child.stdout.readline()
            stop("x", identify(child.pid), signal.SIGTERM, grace=0.1, child=child)
            assert child.returncode == -signal.SIGKILL

    def test_a_server_is_ready_once_it_answers(self, tmp_path):
        answers = iter(["not yet", "not yet", ""])
        child = spawn("x", ["sleep", "60"], tmp_path / "log")
        process = await_ready("x", child, tmp_path / "log", lambda: next(answers), timeout=60)
        assert process.pid == child.pid
        stop("x", process, signal.SIGTERM, grace=30, child=child)

    def test_a_server_that_never_answers_is_stopped(self, tmp_path):
        child = spawn("x", ["sh", "-c", "echo starting; exec sleep 60"], tmp_path / "log")
        with pytest.raises(ServiceError, match=r"no answer within 0 s \(refused\)"):
            await_ready("x", child, tmp_path / "log", lambda: "refused", timeout=0)
        assert child.returncode == -signal.SIGTERM

    def test_a_server_that_ends_shows_its_output(self, tmp_path):
        child = spawn("x", ["sh", "-c", "echo bad configuration; exit 9"], tmp_path / "log")
        with pytest.raises(ServiceError, match=r"status 9:\n  \| bad configuration"):
            await_ready("x", child, tmp_path / "log", lambda: "refused", timeout=60)

    def test_a_server_interrupted_while_it_starts_is_stopped(self, tmp_path):
        def interrupt():
            raise KeyboardInterrupt

        child = spawn("x", ["sleep", "60"], tmp_path / "log")
        with pytest.raises(KeyboardInterrupt):
            await_ready("x", child, tmp_path / "log", interrupt, timeout=60)
        assert child.returncode == -signal.SIGTERM

    def test_a_taken_port_is_told_from_other_failures(self):
        assert isinstance(start_failure("x", "bind: Address already in use"), PortTakenError)
        assert not isinstance(start_failure("x", "out of memory"), PortTakenError)

    def test_free_ports_are_usable_numbers(self):
        assert 1024 <= free_port() <= 65535


class TestRecords:
    def test_read_back_as_written(self, tmp_path):
        running = Running(
            "redis",
            Process(12, 34),
            signal.SIGTERM,
            56,
            tmp_path / "log",
            {"COMPUTOR_TEST_REDIS_URL": "redis://x"},
        )
        record = Record(record_path("by-hand"), tmp_path, None, [running])
        record.save()
        assert read_record(record_path("by-hand")) == record

    def test_none_where_none_was_written(self):
        assert read_record(record_path("by-hand")) is None

    @pytest.mark.parametrize("content", ["", "[]", "{}", '{"owner": null, "folder": "/x", "servers": [{}]}'])
    def test_a_damaged_record_is_an_error_and_not_forgotten(self, content):
        path = record_path("by-hand")
        path.parent.mkdir(parents=True)
        path.write_text(content)
        with pytest.raises(ServiceError, match="stop the servers it names by hand"):
            read_record(path)
        assert path.exists()

    def test_abandoned_is_what_belongs_to_a_process_that_is_gone(self, tmp_path, sleeper):
        Record(record_path("by-hand"), tmp_path, None).save()
        Record(record_path("run-1"), tmp_path, identify(sleeper.pid)).save()
        gone = Record(record_path("run-2"), tmp_path, Process(sleeper.pid, 0))
        gone.save()
        assert abandoned_records() == [gone]


class TestPackages:
    PIN = PackagePin(("redis-server",), (7,))

    def test_without_apt_get_it_says_what_is_needed(self, monkeypatch):
        monkeypatch.setattr(packages.shutil, "which", lambda name: None)
        with pytest.raises(ServiceError, match=r"redis: install: .*no apt-get(.|\n)*version 7 or later"):
            packages.install_packages("redis", self.PIN)

    def test_without_root_it_says_the_command(self, monkeypatch):
        monkeypatch.setattr(packages.shutil, "which", lambda name: f"/usr/bin/{name}")
        monkeypatch.setattr(packages.os, "geteuid", lambda: 1000)
        with pytest.raises(ServiceError, match="run as root: apt-get install redis-server"):
            packages.install_packages("redis", self.PIN)

    def test_no_system_daemon_starts_meanwhile(self, tmp_path):
        policy = tmp_path / "policy-rc.d"
        with packages.no_daemons(policy):
            assert subprocess.run([policy, "redis-server", "start"], check=False).returncode == 101
        assert not policy.exists()

    def test_a_policy_left_by_a_killed_installation_goes(self, tmp_path):
        policy = tmp_path / "policy-rc.d"
        policy.write_text(packages.POLICY_TEXT)
        with packages.no_daemons(policy):
            assert os.access(policy, os.X_OK)
        assert not policy.exists()

    def test_a_policy_of_the_machine_stays(self, tmp_path):
        policy = tmp_path / "policy-rc.d"
        policy.write_text("#!/bin/sh\nexit 0\n")
        with packages.no_daemons(policy):
            pass
        assert policy.read_text() == "#!/bin/sh\nexit 0\n"
