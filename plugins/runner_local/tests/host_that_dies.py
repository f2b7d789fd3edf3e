"""A host with a job under way, for tests that kill it.

Prints the runner's work folder, then runs a job whose program carries the token in its command line.
"""

import asyncio
import logging
import sys
from pathlib import Path

from computor_runner_local.provider import LocalRunner
from computor_runner_local.settings import LocalRunnerSettings

from computor_core.testing.runner_jobs import job, python


async def main(tmp_dir: Path, token: str) -> None:
    settings = LocalRunnerSettings(minimum_isolation="auto", tmp_dir=tmp_dir)
    runner = LocalRunner(settings, logging.getLogger("host"))
    await runner.open()
    await runner.probe()
    print(next(tmp_dir.glob("computor-runner-*")), flush=True)  # noqa: ASYNC240 - nothing else runs here
    script = f"import time  # {token}\ntime.sleep(120)"
    await runner.run(job(python(script, wall_seconds=200.0)))


asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
