"""Toolchains: how programs of a language are compiled and run, as data.

An institution adds one without code, by naming it in a runner's settings. Placeholders in commands:
``{main}`` is the file that a test names as its entry point, ``{sources}`` all submitted files that
the toolchain compiles, ``{program}`` what the compiler made. Paths are relative to the working
directory, so the same command runs with and without a file system of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Toolchain:
    """A language's compiler and interpreter.

    Attributes:
        name: How test specifications name it, ``[a-z][a-z0-9_-]*``.
        version: Command whose first line of output tells the version; it failing means that
            the toolchain isn't usable.
        run: Command that runs a submission.
        compile: Command that makes ``{program}`` from ``{sources}``, empty where nothing is compiled.
        source_suffixes: Endings of the files that ``{sources}`` stands for.
        environment: Variables that its programs need.
        libraries: Distributions (as package indexes name them) that a phase may mount as
            ``toolchain:<name>``.
    """

    name: str
    version: tuple[str, ...]
    run: tuple[str, ...]
    compile: tuple[str, ...] = ()
    source_suffixes: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    libraries: tuple[str, ...] = ()


PYTHON = Toolchain(
    name="python",
    version=("python3", "--version"),
    # -B: the bytecode cache would only cost writes in a directory that is thrown away.
    run=("python3", "-B", "-s", "{main}"),
    libraries=("pytest",),
)

BASH = Toolchain(
    name="bash",
    version=("bash", "--version"),
    run=("bash", "--noprofile", "--norc", "{main}"),
)

C = Toolchain(
    name="c",
    version=("gcc", "--version"),
    compile=("gcc", "-std=c17", "-Wall", "-Wextra", "-O2", "-o", "{program}", "{sources}", "-lm"),
    run=("./{program}",),
    source_suffixes=(".c",),
)

TOOLCHAINS: Mapping[str, Toolchain] = {toolchain.name: toolchain for toolchain in (PYTHON, BASH, C)}
"""The toolchains that Computor knows by itself."""
