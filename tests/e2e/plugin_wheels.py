"""An environment of its own with Computor and a plugin installed from wheels, and hosts run from it."""

from __future__ import annotations

import os
import signal
import subprocess
import sysconfig
import venv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
MEMBERS = (
    ROOT,
    ROOT / "clients/cli",
    ROOT / "hosts/fastapi_host",
    ROOT / "plugins/auth_local",
    ROOT / "plugins/storage_local",
    ROOT / "plugins/git_local",
    ROOT / "plugins/runner_local",
)
"""The members that a host with the embedded plugins is made of."""

_SECONDS = 120
_TOLD = "Computor answers at "
_UNSET = ("COMPUTOR_", "PYTHON", "PIP_", "COVERAGE_", "COV_CORE_", "VIRTUAL_ENV")


@dataclass(frozen=True)
class Environment:
    """A virtual environment, and the folder of a deployment that its programs work on.

    Attributes:
        folder: The environment.
        deployment: Working folder of every program.
    """

    folder: Path
    deployment: Path

    @classmethod
    def make(cls, folder: Path, wheels: Sequence[Path], without: tuple[str, ...] = ()) -> Environment:
        """A new environment with wheels installed, and without the libraries that are named.

        The third-party libraries are those of the running environment, linked one by one, so that
        nothing is fetched and nothing of the workspace comes along: neither an editable install's
        path nor its metadata.
        """
        venv.create(folder / "env", symlinks=True, with_pip=True)
        environment = cls(folder / "env", folder / "deployment")
        environment.deployment.mkdir()
        libraries = folder / "libraries"
        libraries.mkdir()
        for place in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
            for entry in Path(place).iterdir():
                left_out = entry.name.startswith(("computor", "_computor", "_editable", *without))
                if not left_out and entry.suffix != ".pth":
                    (libraries / entry.name).symlink_to(entry)
        (environment.site / "libraries.pth").write_text(f"{libraries}\n")
        environment.must("pip", "install", "--no-index", "--no-compile", *map(str, wheels))
        return environment

    @property
    def site(self) -> Path:
        """Where packages are installed."""
        return Path(sysconfig.get_path("purelib", "venv", {"base": str(self.folder)}))

    def run(
        self, program: str, *words: str, stdin: str = "", **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment to its end."""
        return subprocess.run(
            [str(self.folder / "bin" / program), *words],
            cwd=self.deployment,
            env=_environment(variables),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )

    def must(self, program: str, *words: str, stdin: str = "", **variables: str) -> str:
        """Run a program that has to succeed; gives what it printed."""
        done = self.run(program, *words, stdin=stdin, **variables)
        assert done.returncode == 0, f"{program} {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout

    @contextmanager
    def serving(self, **variables: str) -> Iterator[str]:
        """Run ``computor serve`` on a free port; gives its address, and ends it in order."""
        log = self.deployment / "host.log"
        with log.open("a") as errors:
            process = subprocess.Popen(
                [str(self.folder / "bin" / "computor"), "serve", "--port", "0"],
                cwd=self.deployment,
                env=_environment(variables),
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        assert process.stdout is not None
        try:
            address = next((line for line in process.stdout if line.startswith(_TOLD)), None)
            assert address is not None, f"ended with {process.wait()}: {log.read_text()[-3000:]}"
            yield address.removeprefix(_TOLD).strip()
            process.send_signal(signal.SIGTERM)
            assert process.wait(_SECONDS) == 0, log.read_text()[-3000:]
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


def _environment(variables: dict[str, str]) -> dict[str, str]:
    """The variables of a shell in which nothing of Python or Computor is set, and the given ones."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_UNSET)} | variables
