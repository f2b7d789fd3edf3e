"""The system calls that the standard library doesn't wrap.

Numbers and structures come from the kernel's user-space headers (``linux/sched.h``,
``linux/mount.h``, ``linux/prctl.h``, ``linux/capability.h``); the manual pages named at each
function say what it does. Every function raises :class:`OSError` with the kernel's own error.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import platform
import signal
import socket
import struct

CLONE_NEWNS = 0x0002_0000
CLONE_NEWCGROUP = 0x0200_0000
CLONE_NEWUTS = 0x0400_0000
CLONE_NEWIPC = 0x0800_0000
CLONE_NEWUSER = 0x1000_0000
CLONE_NEWPID = 0x2000_0000
CLONE_NEWNET = 0x4000_0000

MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_REMOUNT = 0x20
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x4_0000

MOUNT_ATTR_RDONLY = 0x1
MOUNT_ATTR_NOSUID = 0x2
MOUNT_ATTR_NODEV = 0x4

_MNT_DETACH = 0x2
_AT_FDCWD = -100
_AT_RECURSIVE = 0x8000

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_CAPBSET_READ = 23
_PR_CAPBSET_DROP = 24
_PR_SET_SECCOMP = 22
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_CAPABILITY_VERSION_3 = 0x2008_0522
_SECCOMP_MODE_FILTER = 2
_FILTER_INSTRUCTION_BYTES = 8

_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 0x1

_SYSCALLS = {
    "x86_64": {"clone": 56, "pivot_root": 155, "capset": 126, "mount_setattr": 442},
    "aarch64": {"clone": 220, "pivot_root": 41, "capset": 91, "mount_setattr": 442},
}

# PyDLL keeps the interpreter's lock during a call: after `clone` the child must go on at once in
# the one thread that there is.
_libc = ctypes.PyDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


# Counted once: inside a sandbox there may be no /proc to ask, and an unknown number is an error.
_CAPABILITIES = [
    number for number in range(64) if _libc.prctl(_PR_CAPBSET_READ, ctypes.c_ulong(number), 0, 0, 0) >= 0
]


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def _syscall(name: str, *arguments: object) -> int:
    machine = platform.machine()
    numbers = _SYSCALLS.get(machine)
    if numbers is None:
        raise OSError(0, f"{name}: no system call numbers for the architecture {machine!r}")
    return _check(_libc.syscall(ctypes.c_long(numbers[name]), *arguments), name)


def clone(flags: int) -> int:
    """Fork with new namespaces: 0 in the child, the child's id in the parent.

    The caller must be single-threaded and the child must end with ``os._exit``.
    """
    return _syscall(
        "clone",
        ctypes.c_ulong(flags | signal.SIGCHLD),
        ctypes.c_ulong(0),
        ctypes.c_ulong(0),
        ctypes.c_ulong(0),
        ctypes.c_ulong(0),
    )


def unshare(flags: int) -> None:
    """Give the calling process namespaces of its own; see the manual page unshare in section 2."""
    _check(_libc.unshare(ctypes.c_int(flags)), "unshare")


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    """Attach a file system, or bind a directory; see the manual page mount in section 2."""
    _check(
        _libc.mount(
            os.fsencode(source),
            os.fsencode(target),
            kind.encode() or None,
            ctypes.c_ulong(flags),
            data.encode() or None,
        ),
        f"mount {kind or source} on {target}",
    )


def unmount(target: str) -> None:
    """Let go of a mount and of whatever is mounted below it, umount2(2) with MNT_DETACH."""
    _check(_libc.umount2(os.fsencode(target), ctypes.c_int(_MNT_DETACH)), f"unmount {target}")


def bind(source: str, target: str, attributes: int) -> None:
    """Bind ``source`` with everything below it on ``target`` and set mount attributes on all of it.

    ``mount_setattr`` adds attributes without having to know the ones that the parent user
    namespace has locked, and reaches submounts, which a remount doesn't (mount_setattr(2),
    Linux 5.12).
    """
    mount(source, target, flags=MS_BIND | MS_REC)
    if attributes:
        set_attributes(target, attributes, recursive=True)


def set_attributes(target: str, attributes: int, *, recursive: bool = False) -> None:
    """Add mount attributes, mount_setattr(2)."""
    packed = struct.pack("=QQQQ", attributes, 0, 0, 0)
    _syscall(
        "mount_setattr",
        ctypes.c_int(_AT_FDCWD),
        os.fsencode(target),
        ctypes.c_uint(_AT_RECURSIVE if recursive else 0),
        packed,
        ctypes.c_size_t(len(packed)),
    )


def pivot_root(new_root: str) -> None:
    """Make a mount point the root directory and let the old root go (pivot_root, ``"."`` twice)."""
    os.chdir(new_root)
    _syscall("pivot_root", b".", b".")
    _check(_libc.umount2(b".", ctypes.c_int(_MNT_DETACH)), "umount2")
    os.chdir("/")


def _prctl(option: int, value: int, what: str, extra: int = 0) -> None:
    _check(
        _libc.prctl(
            ctypes.c_int(option),
            ctypes.c_ulong(value),
            ctypes.c_ulong(extra),
            ctypes.c_ulong(0),
            ctypes.c_ulong(0),
        ),
        what,
    )


def die_with_parent() -> None:
    """Be killed when the parent ends, prctl(2) PR_SET_PDEATHSIG."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, "PR_SET_PDEATHSIG")


def set_dumpable(dumpable: bool) -> None:
    """Allow or refuse other processes of the same user to trace this one, prctl(2) PR_SET_DUMPABLE."""
    _prctl(_PR_SET_DUMPABLE, int(dumpable), "PR_SET_DUMPABLE")


def become_subreaper() -> None:
    """Become the parent of orphaned descendants, prctl(2) PR_SET_CHILD_SUBREAPER."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1, "PR_SET_CHILD_SUBREAPER")


def no_new_privileges() -> None:
    """Make set-user-id bits and file capabilities void from here on, prctl(2) PR_SET_NO_NEW_PRIVS."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1, "PR_SET_NO_NEW_PRIVS")


def install_filter(program: bytes) -> None:
    """Put this process and all that it starts under a filter of system calls, PR_SET_SECCOMP(2const).

    There is no way back. Needs :func:`no_new_privileges` first.

    Args:
        program: An array of ``struct sock_filter``.
    """
    code = ctypes.create_string_buffer(program, len(program))
    whole = struct.pack("@HP", len(program) // _FILTER_INSTRUCTION_BYTES, ctypes.addressof(code))
    _check(
        _libc.prctl(ctypes.c_int(_PR_SET_SECCOMP), ctypes.c_ulong(_SECCOMP_MODE_FILTER), whole, 0, 0),
        "PR_SET_SECCOMP",
    )


def drop_capabilities() -> None:
    """Empty every capability set of this process, capabilities(7)."""
    for capability in _CAPABILITIES:
        _prctl(_PR_CAPBSET_DROP, capability, "PR_CAPBSET_DROP")
    _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, "PR_CAP_AMBIENT")
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    _syscall("capset", header, bytes(24))


def map_user(inside_uid: int, inside_gid: int, outside_uid: int, outside_gid: int) -> None:
    """Map one user and one group into the process's new user namespace, user_namespaces(7)."""
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{inside_uid} {outside_uid} 1"),
        ("gid_map", f"{inside_gid} {outside_gid} 1"),
    ):
        handle = os.open(f"/proc/self/{name}", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(handle, text.encode())
        finally:
            os.close(handle)


def raise_loopback() -> None:
    """Switch the loopback interface of the network namespace on, netdevice(7)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        request = struct.pack("16sH14x", b"lo", 0)
        answer = fcntl.ioctl(handle, _SIOCGIFFLAGS, request)
        flags = struct.unpack("16sH14x", answer)[1] | _IFF_UP
        fcntl.ioctl(handle, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags))
