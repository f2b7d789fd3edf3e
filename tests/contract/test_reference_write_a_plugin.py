"""``docs/howto/write-a-plugin.md`` works, step by step, as it stands there.

Blocks with a title are files, written in the order of the page; console blocks are run, and what they
print must be what the page says (``…`` stands for anything). Three things differ from a reader's
machine: the distribution's metadata is put beside the sources instead of into an environment, the
server takes a free port, and the password is the one that was printed.
"""

from __future__ import annotations

import ast
import os
import re
import select
import shlex
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "write-a-plugin.md"
BLOCK = re.compile(r"^```(?P<language>\w+)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<text>.*?)^```$", re.S | re.M)
ADDRESS = "http://127.0.0.1:8000"
BUILD = "import sys; from hatchling.build import build_wheel; build_wheel(sys.argv[1])"
PATIENCE = 300
PUBLIC = ("computor_core.plugin_api", "computor_core.interfaces", "computor_core.testing")


def blocks() -> Iterator[re.Match[str]]:
    yield from BLOCK.finditer(PAGE.read_text(encoding="utf-8"))


@dataclass
class Reader:
    """Somebody who does what the page says, in one folder."""

    folder: Path
    said: dict[str, str] = field(default_factory=dict)
    servers: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if not name.startswith("COMPUTOR_")}
        own["PYTHONPATH"] = os.pathsep.join([str(self.folder), str(self.folder / ".site")])
        own["COMPUTOR_SERVER__PORT"] = "0"
        return own

    def write(self, title: str, text: str) -> None:
        file = self.folder / title
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def run(self, line: str) -> str:
        """Run a command line and return what it printed."""
        for words, meant in self.said.items():
            line = line.replace(words, meant)
        command = shlex.split(line)
        match command:
            case ["kill", "%1"]:
                self.stop()
                return ""
            case ["mkdir", folder]:
                (self.folder / folder).mkdir()
                return ""
            case ["pip", "install", *_]:
                return self.install()
            case ["computor", *_, "&"]:
                return self.serve(command[1:-1])
            case ["computor", *_]:
                return self.call(["-m", "computor_cli", *command[1:]])
            case ["python", *_]:
                return self.call(command[1:])
        raise AssertionError(f"the page runs something that this test doesn't know: {line}")

    def call(self, arguments: list[str]) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        password = re.search(r"^password: (\S+)$", done.stdout, re.M)
        if password:
            self.said["PASSWORD"] = password[1]
        return done.stdout

    def install(self) -> str:
        """What an editable installation does: metadata where Python looks, code where it is written."""
        site = self.folder / ".site"
        site.mkdir()
        self.call(["-c", BUILD, str(site)])
        (wheel,) = site.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(site, [name for name in archive.namelist() if ".dist-info/" in name])
        return ""

    def serve(self, arguments: list[str]) -> str:
        with (self.folder / "server.log").open("w") as log:
            server = subprocess.Popen(
                [sys.executable, "-m", "computor_cli", *arguments],
                cwd=self.folder,
                env=self.environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self.servers.append(server)
        readable, _, _ = select.select([server.stdout], [], [], PATIENCE)
        assert readable, "the server says nothing"
        line = server.stdout.readline()
        address = re.search(r"http://\S+", line)
        assert address, (self.folder / "server.log").read_text()
        self.said[ADDRESS] = address[0]
        return line.replace(address[0], ADDRESS)

    def stop(self) -> None:
        while self.servers:
            server = self.servers.pop()
            server.terminate()
            ended = server.wait(PATIENCE)
            server.stdout.close()
            assert ended == 0, (self.folder / "server.log").read_text()


@contextmanager
def reader_in(folder: Path) -> Iterator[Reader]:
    reader = Reader(folder)
    try:
        yield reader
        reader.stop()
    finally:
        for server in reader.servers:  # a step failed
            server.kill()
            server.wait()


def expected(wanted: str) -> re.Pattern[str]:
    """What the page says, as a pattern; a line of ``…`` stands for any lines, also none."""
    lines = ["(?:.*\n)*?" if line == "…" else f"{re.escape(line)}\n" for line in wanted.splitlines()]
    return re.compile("".join(lines).replace("…", ".*"))


def steps(text: str) -> Iterator[tuple[str, str]]:
    """Command lines of a console block with what they print."""
    for part in re.split(r"^\$ ", text, flags=re.M)[1:]:
        line, _, output = part.partition("\n")
        yield line, output


def test_every_step_works_and_prints_what_the_page_says(tmp_path):
    ran = []
    with reader_in(tmp_path) as reader:
        for block in blocks():
            if block["title"]:
                reader.write(block["title"], block["text"])
            elif block["language"] == "console":
                for line, output in steps(block["text"]):
                    printed = reader.run(line)
                    lines = "".join(f"{item.rstrip()}\n" for item in printed.splitlines())
                    assert expected(output).fullmatch(lines), f"$ {line}\n{printed}\ninstead of\n{output}"
                    ran.append(line)
            else:
                raise AssertionError(f"a block is neither a file nor a console: {block[0]}")
    assert len(ran) > 8


def test_the_plugin_imports_nothing_but_the_public_surface():
    for block in blocks():
        if not (block["title"] or "").startswith("computor_notes/"):
            continue
        for node in ast.walk(ast.parse(block["text"])):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                if name.startswith("computor_core"):
                    assert name.startswith(PUBLIC), f"{block['title']} imports {name}"


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#:]+)\)", PAGE.read_text(encoding="utf-8")):
        assert (PAGE.parent / target).exists(), target
