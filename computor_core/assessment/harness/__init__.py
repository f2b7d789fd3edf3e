"""Small programs that run inside sandboxes, mounted read-only, and the value encoding they share.

They are started by the toolchain's interpreter, which knows nothing of this package: each file
imports the standard library alone and works with Python 3.8 and later.
"""

from pathlib import Path

DIRECTORY = Path(__file__).parent
"""Where the programs are: the job input named ``harness``."""
