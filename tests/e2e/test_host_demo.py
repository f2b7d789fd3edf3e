"""The demo's host: where it says that things are, and that it ends with the demo, however that ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from computor_fastapi_host.demo.invitation import DOCUMENT

from tests.e2e.host_harness import Host
from tests.e2e.test_host_serve import START_SECONDS, environment

SERVE = """
import json
import signal
import sys
from pathlib import Path
from computor_fastapi_host.demo import server

# A shell's background jobs ignore SIGINT, and nohup SIGHUP; children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
settings = json.loads(sys.argv[2])
with server.ended_by_signals(), server.serving(settings, 0, Path(sys.argv[1])) as host:
    print(host.process.pid, flush=True)
    host.process.wait()
"""


async def test_the_document_is_where_the_demo_says(host: Host) -> None:
    answer = await host.client.get(DOCUMENT)
    assert answer.status_code == 200
    assert answer.json()["openapi"].startswith("3.")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_ends_the_demo_ends_its_host_too(data_dir: Path, number: signal.Signals) -> None:
    log = data_dir.parent / "host.log"
    demo = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(log), json.dumps(environment(data_dir))],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=data_dir.parent,
    )
    host = 0
    try:
        assert demo.stdout is not None
        said = demo.stdout.readline()
        assert said.strip().isdecimal(), demo.communicate(timeout=START_SECONDS)
        host = int(said)
        demo.send_signal(number)
        demo.communicate(timeout=START_SECONDS)
        with pytest.raises(ProcessLookupError):
            os.kill(host, 0)
        host = 0
    finally:
        demo.kill()
        demo.wait()
        if host:
            os.kill(host, signal.SIGKILL)
