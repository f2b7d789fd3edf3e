"""The filter on system calls that every program of a job runs under (seccomp(2), filter mode).

One program in the kernel's classic BPF (``linux/filter.h``, ``linux/seccomp.h``), made here from
:mod:`computor_runner_local.launcher.system_calls`; bubblewrap takes the same bytes (``--seccomp``). The
kernel keeps the calls that the filter always allows in a table, so those cost nothing (Linux 5.11).
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import socket
import struct
from functools import cache

from computor_runner_local.launcher import kernel
from computor_runner_local.launcher.system_calls import (
    AARCH64,
    CONDITIONS,
    NUMBERS,
    REFUSALS,
    UNCOUNTED,
    X86_64,
    Condition,
)

ARCHITECTURES = {X86_64: 0xC000_003E, AARCH64: 0xC000_00B7}
"""The kernel's name of an architecture (``linux/audit.h``)."""

ALLOW = 0x7FFF_0000
ERRNO = 0x0005_0000
KILL_PROCESS = 0x8000_0000

# Offsets in struct seccomp_data; of an argument's 64 bits the lower half comes first on both architectures.
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
_LOAD, _EQUAL, _ANY_BIT, _AT_LEAST, _RETURN = 0x20, 0x15, 0x45, 0x35, 0x06
_X32 = 0x4000_0000
_AF_VSOCK = 40


def _instruction(code: int, value: int, when: int = 0, otherwise: int = 0) -> bytes:
    return struct.pack("=HBBI", code, when, otherwise, value)


def _numbers(calls: tuple[str, ...], machine: str) -> list[int]:
    column = (X86_64, AARCH64).index(machine)
    return [number for call in calls if (number := NUMBERS[call][column]) is not None]


@cache
def program(machine: str, *, counted: bool) -> bytes:
    """The filter as an array of ``struct sock_filter``.

    A system call of another architecture kills the process: its numbers mean something else. One of
    the x32 interface of x86-64 doesn't exist.

    Args:
        machine: A name of :data:`ARCHITECTURES`.
        counted: Whether a control group counts the memory of the programs.
    """
    lines = [
        _instruction(_LOAD, _ARCHITECTURE),
        _instruction(_EQUAL, ARCHITECTURES[machine], 1),
        _instruction(_RETURN, KILL_PROCESS),
        _instruction(_LOAD, _NUMBER),
    ]
    if machine == X86_64:
        lines += [_instruction(_AT_LEAST, _X32, 0, 1), _instruction(_RETURN, ERRNO | errno.ENOSYS)]
    for refusal in REFUSALS if counted else REFUSALS + UNCOUNTED:
        for number in _numbers(refusal.calls, machine):
            lines += [_instruction(_EQUAL, number, 0, 1), _instruction(_RETURN, ERRNO | refusal.answer)]
    for condition in CONDITIONS:
        for number in _numbers(condition.calls, machine):
            lines += _checked(number, condition)
    lines.append(_instruction(_RETURN, ALLOW))
    return b"".join(lines)


def _checked(number: int, condition: Condition) -> list[bytes]:
    refuse = _instruction(_RETURN, ERRNO | condition.answer)
    allow = _instruction(_RETURN, ALLOW)
    if condition.never:
        checks = [_instruction(_ANY_BIT, condition.never, 1), allow, refuse]
    else:
        count = len(condition.only)
        checks = [
            *(_instruction(_EQUAL, value, count - index) for index, value in enumerate(condition.only)),
            refuse,
            allow,
        ]
    load = _instruction(_LOAD, _ARGUMENTS + 8 * condition.argument)
    return [_instruction(_EQUAL, number, 0, 1 + len(checks)), load, *checks]


def why_not() -> str:
    """Why the filter doesn't work on this machine, found out by trying it in a process; "" when it does."""
    machine = platform.machine()
    if machine not in ARCHITECTURES:
        return f"no system call filter for the architecture {machine!r}"
    reader, writer = os.pipe2(os.O_CLOEXEC)
    child = os.fork()
    if child == 0:
        answer = "the trial of the system call filter ended early"
        try:
            kernel.no_new_privileges()
            kernel.install_filter(program(machine, counted=False))
            answer = _let_through()
        except OSError as error:
            answer = str(error)
        finally:
            os.write(writer, answer.encode())
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as said:
        answer = said.read().decode()
    os.waitpid(child, 0)
    return answer


def _let_through() -> str:
    """Try what the filter refuses and what it allows, from a process that is under it."""
    for family, expected in ((_AF_VSOCK, errno.EAFNOSUPPORT), (socket.AF_UNIX, 0)):
        try:
            socket.socket(family, socket.SOCK_STREAM).close()
            found = 0
        except OSError as error:
            found = error.errno or -1
        if found != expected:
            return f"the system call filter has no effect: socket({family}) answers {found}"
    libc = ctypes.CDLL(None, use_errno=True)
    column = (X86_64, AARCH64).index(platform.machine())
    for call, expected in (
        ("io_uring_setup", errno.ENOSYS),
        ("add_key", errno.EPERM),
        ("setns", errno.EPERM),
    ):
        libc.syscall(ctypes.c_long(NUMBERS[call][column] or -1), 0, 0, 0, 0, 0)
        if ctypes.get_errno() != expected:
            return f"the system call filter has no effect: {call} answers {ctypes.get_errno()}"
    return ""
