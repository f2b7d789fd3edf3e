"""PostgreSQL from the distribution's package."""

import os
import re
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path

from tools.services.errors import ServiceError
from tools.services.execute import Account, account, execute, last_lines
from tools.services.packages import install_packages
from tools.services.pins import PackagePin
from tools.services.process import LOOPBACK, Process, identify, start_failure, stop
from tools.services.server import Installed, Running, Server

DEBIAN_PROGRAMS = Path("/usr/lib/postgresql")
ROLE = "computor"
# Debian's account. PostgreSQL refuses to run as root.
ACCOUNT = "postgres"
START_SECONDS = 60


class Postgres(Server):
    """A PostgreSQL cluster that trusts everyone on loopback and does not sync to disk."""

    name = "postgres"
    variable = "COMPUTOR_TEST_POSTGRES_URL"

    def __init__(self, pin: PackagePin) -> None:
        self._pin = pin

    def installed(self) -> Installed | None:
        """Return the newest server programs of Debian, else those on PATH."""
        programs = _newest_programs(DEBIAN_PROGRAMS) or _programs_on_path()
        if programs is None:
            return None
        program = programs / "postgres"
        reported = execute(self.name, "ask its version", [program, "--version"], timeout=20).strip()
        found = re.search(r"\) (\d+)", reported)
        if found is None or (int(found[1]),) < self._pin.minimum:
            error = f"{program} reports {reported!r}"
            hint = f"version {self._pin.minimum[0]} or later is needed"
            raise ServiceError(self.name, "check its version", error, hint)
        return Installed(reported, program)

    def install(self) -> Installed:
        """Install the package where the programs are missing."""
        found = self.installed()
        if found is None:
            install_packages(self.name, self._pin)
            found = self.installed()
        if found is None:
            error = f"installed, but there is no initdb below {DEBIAN_PROGRAMS} or on PATH"
            raise ServiceError(self.name, "install", error)
        return found

    def start(self, installed: Installed, folder: Path, port: int) -> Running:
        """Make a cluster, start it and create the role of the tests, which may create databases."""
        programs, data, log = installed.program.parent, folder / "data", folder / "log"
        run_as = self._account(folder)
        env = {key: value for key, value in os.environ.items() if not key.startswith("PG")}

        def run(step: str, *command: str | Path) -> str:
            return execute(
                self.name, step, command, timeout=START_SECONDS + 30, run_as=run_as, env=env, cwd=folder
            )

        run("create its data folder", programs / "initdb", *_initdb_arguments(data))
        options = _server_options(port)
        control = programs / "pg_ctl"
        try:
            run(
                "start",
                control,
                "-D",
                data,
                "-l",
                log,
                "-w",
                "-t",
                str(START_SECONDS),
                "-o",
                options,
                "start",
            )
        except ServiceError as error:
            self._abort(data)
            written = last_lines(log.read_text(errors="replace")) if log.exists() else ""
            raise start_failure(self.name, error.error + written) from error
        except BaseException:
            self._abort(data)
            raise
        process = _first_process(data)
        if process is None:
            raise ServiceError(self.name, "start", f"pg_ctl succeeded, but nothing runs on {data}")
        # SIGINT to the first process is the "fast" shutdown (manual, "Shutting Down the Server").
        running = Running(self.name, process, signal.SIGINT, port, log, _environment(port))
        try:
            psql: list[str | Path] = [
                programs / "psql",
                "-X",
                "-v",
                "ON_ERROR_STOP=1",
                "-h",
                LOOPBACK,
                "-p",
                str(port),
            ]
            run("create its role", *psql, "-U", ACCOUNT, "-c", f"CREATE ROLE {ROLE} LOGIN CREATEDB", ACCOUNT)
        except BaseException:
            running.stop()
            raise
        return running

    def _account(self, folder: Path) -> Account | None:
        if os.geteuid() != 0:
            return None
        owner = account(self.name, ACCOUNT)
        os.chown(folder, owner.uid, owner.gid)
        return owner

    def _abort(self, data: Path) -> None:
        """Stop what pg_ctl leaves running when it gives up or is interrupted."""
        process = _first_process(data)
        if process is not None:
            stop(self.name, process, signal.SIGQUIT, grace=5)


def _first_process(data: Path) -> Process | None:
    """Return the process named in the first line of ``postmaster.pid``, or None if it isn't running."""
    try:
        pid = int((data / "postmaster.pid").read_text().splitlines()[0])
    except FileNotFoundError:
        return None
    return identify(pid)


def _newest_programs(root: Path) -> Path | None:
    """Return ``<root>/<highest version>/bin`` that has an initdb."""
    found = [path.parent for path in root.glob("*/bin/initdb") if path.parts[-3].isdigit()]
    return max(found, key=lambda programs: int(programs.parent.name), default=None)


def _programs_on_path() -> Path | None:
    initdb = shutil.which("initdb")
    # A link on PATH may stand alone; the other programs are beside what it points to.
    return None if initdb is None else Path(initdb).resolve().parent


def _initdb_arguments(data: Path) -> list[str | Path]:
    # A linguistic default collation, as most deployments have: a query that relies on byte order without
    # saying so fails here and not in production.
    locale = ["--encoding=UTF8", "--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US"]
    return ["-D", data, "-U", ACCOUNT, "--auth=trust", "--no-sync", *locale]


def _server_options(port: int) -> str:
    settings = {
        "listen_addresses": LOOPBACK,
        "port": port,
        "unix_socket_directories": "",
        "max_connections": 200,
        # For tests alone: a crash of the machine may destroy the cluster.
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
    }
    return " ".join(f"-c {name}='{value}'" for name, value in settings.items())


def _environment(port: int) -> Mapping[str, str]:
    return {Postgres.variable: f"postgresql+asyncpg://{ROLE}@{LOOPBACK}:{port}/postgres"}
