"""Which system calls a job's programs may not make, and why.

A list of what is refused rather than of what is allowed: programs of any language run here, and what
they need differs from machine to machine. What is refused is what reaches out of the sandbox, isn't
counted by any limit, or has been the beginning of most local attacks on the kernel.

Numbers: ``asm/unistd_64.h`` (x86-64) and ``asm-generic/unistd.h`` (ARM64) of the kernel.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass

X86_64, AARCH64 = "x86_64", "aarch64"

NUMBERS: dict[str, tuple[int | None, int | None]] = {
    "acct": (163, 89),
    "add_key": (248, 217),
    "bpf": (321, 280),
    "chroot": (161, 51),
    "clone": (56, 220),
    "clone3": (435, 435),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "finit_module": (313, 273),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "init_module": (175, 105),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "ioperm": (173, None),
    "iopl": (172, None),
    "kcmp": (312, 272),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "lookup_dcookie": (212, 18),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "modify_ldt": (154, None),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "msgget": (68, 186),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "personality": (135, 92),
    "pidfd_getfd": (438, 438),
    "pivot_root": (155, 41),
    "process_madvise": (440, 440),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "semget": (64, 190),
    "setns": (308, 268),
    "shmget": (29, 194),
    "socket": (41, 198),
    "socketpair": (53, 199),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
}
"""Number on x86-64 and on ARM64; None where there is no such call."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """System calls that are refused for one reason.

    Attributes:
        why: The reason.
        calls: Their names.
        answer: The error that the program gets.
    """

    why: str
    calls: tuple[str, ...]
    answer: int = errno.EPERM


@dataclass(frozen=True, slots=True)
class Condition:
    """Calls that depend on an argument, of which the lower 32 bits are looked at.

    Attributes:
        why: The reason.
        calls: Their names.
        argument: Its position.
        only: The values that are allowed; any, when empty.
        never: Bits none of which may be set.
        answer: The error that the program gets otherwise.
    """

    why: str
    calls: tuple[str, ...]
    argument: int = 0
    only: tuple[int, ...] = ()
    never: int = 0
    answer: int = errno.EPERM


AF_UNIX, AF_INET, AF_INET6 = 1, 2, 10
# CLONE_NEWTIME (0x80) lies in the bits that clone(2) uses for a signal; only unshare(2) takes it.
_NEW_NAMESPACES = 0x7E02_0000
_NEW_TIME = 0x80
_PER_LINUX, _ADDR_NO_RANDOMIZE, _ASK = 0, 0x0004_0000, 0xFFFF_FFFF

REFUSALS = (
    Refusal(
        "its kernel side has been the source of many escapes, and works around filters like this one",
        ("io_uring_setup", "io_uring_enter", "io_uring_register"),
        errno.ENOSYS,  # as on a kernel without it: programs fall back
    ),
    Refusal("keys are kept per user, not per sandbox", ("add_key", "keyctl", "request_key")),
    Refusal("programs in the kernel", ("bpf",)),
    Refusal("measures the kernel and other processes", ("perf_event_open",)),
    Refusal("stops the kernel in the middle of its work, which makes races winnable", ("userfaultfd",)),
    Refusal(
        "takes over another process, the sandbox's first one for example",
        ("ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "pidfd_getfd", "kcmp"),
    ),
    Refusal(
        "changes what is mounted where",
        (
            *("mount", "umount2", "pivot_root", "chroot", "open_tree", "move_mount", "mount_setattr"),
            *("fsopen", "fsconfig", "fsmount", "fspick"),
        ),
    ),
    Refusal("enters the namespaces of others", ("setns",)),
    Refusal(
        "its flags lie in memory, where a filter can't see them; C libraries fall back to clone",
        ("clone3",),
        errno.ENOSYS,
    ),
    Refusal("opens files past every directory", ("open_by_handle_at",)),
    Refusal("watches whole file systems", ("fanotify_init", "lookup_dcookie")),
    Refusal("loads code into the kernel", ("init_module", "finit_module", "delete_module")),
    Refusal("replaces the kernel", ("kexec_load", "kexec_file_load", "reboot")),
    Refusal("administers the machine", ("quotactl", "quotactl_fd", "swapon", "swapoff", "acct")),
    Refusal("reads the kernel's log", ("syslog",)),
    Refusal("reaches the hardware past the kernel", ("iopl", "ioperm", "modify_ldt")),
    Refusal("memory that not even the kernel reads, swaps or moves", ("memfd_secret",), errno.ENOSYS),
)
"""What is always refused."""

CONDITIONS = (
    Condition(
        "AF_VSOCK reaches the machine's own host, AF_NETLINK, AF_PACKET, AF_ALG and the rest the kernel",
        ("socket", "socketpair"),
        only=(AF_UNIX, AF_INET, AF_INET6),
        answer=errno.EAFNOSUPPORT,  # as on a kernel without the family
    ),
    Condition(
        "most local attacks on the kernel begin with a user namespace", ("clone",), never=_NEW_NAMESPACES
    ),
    Condition("the same", ("unshare",), never=_NEW_NAMESPACES | _NEW_TIME),
    Condition(
        "old personalities switch protections of memory off",
        ("personality",),
        only=(_PER_LINUX, _ADDR_NO_RANDOMIZE, _ASK),
    ),
)
"""What is refused by its arguments."""

UNCOUNTED = (
    Refusal(
        "memory in no directory and in no process, which a watchdog that adds up processes doesn't see",
        ("memfd_create", "shmget", "msgget", "semget"),
        errno.ENOSYS,
    ),
)
"""What is refused besides where no control group counts a phase's memory."""
