"""A filter of system calls for every process of an episode, as the program that bubblewrap loads (seccomp(2)). Pure.

What namespaces do not reach: sockets of the host other than Unix, IP and netlink ones (a virtual machine's AF_VSOCK
leads to its host whatever the network namespace), the kernel's keyrings, typing into a terminal, and two interfaces
that kernels are attacked through. `io_uring` also opens sockets that no filter sees. What is refused says ENOSYS, as an
older kernel would, so that programs fall back.
"""

from __future__ import annotations

import errno
import struct
from dataclasses import dataclass

# linux/audit.h, and the tables of system calls of both architectures.
FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10, "AF_NETLINK": 16}
TERMINAL_REQUESTS = {"TIOCSTI": 0x5412, "TIOCLINUX": 0x541C}
X32_BIT = 0x40000000


@dataclass(frozen=True, kw_only=True)
class _Architecture:
    audit: int
    socket: int
    ioctl: int
    refused: dict[str, int]


_IO_URING = {"io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427}
_ARCHITECTURES = {
    "x86_64": _Architecture(
        audit=0xC000003E,
        socket=41,
        ioctl=16,
        refused={"add_key": 248, "request_key": 249, "keyctl": 250, "bpf": 321, "userfaultfd": 323, **_IO_URING},
    ),
    "aarch64": _Architecture(
        audit=0xC00000B7,
        socket=198,
        ioctl=29,
        refused={"add_key": 217, "request_key": 218, "keyctl": 219, "bpf": 280, "userfaultfd": 282, **_IO_URING},
    ),
}

# Classic BPF, linux/bpf_common.h and linux/seccomp.h.
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_NUMBER, _ARCH, _ARGUMENT_0, _ARGUMENT_1 = 0, 4, 16, 24

_Step = tuple[int, int, int, int]


def program(machine: str) -> bytes | None:
    """The filter for a machine as `uname -m` names it, or None for one that is not known: nothing may run there."""
    known = _ARCHITECTURES.get(machine)
    if known is None:
        return None
    steps = [
        (_LOAD, 0, 0, _ARCH),
        (_IF_EQUAL, 1, 0, known.audit),
        # A program for another architecture, 32-bit ones too, has other numbers for the same calls.
        _refuse(errno.ENOSYS),
        (_LOAD, 0, 0, _NUMBER),
        *_unless(_IF_AT_LEAST, X32_BIT, [_refuse(errno.ENOSYS)]),
    ]
    for number in known.refused.values():
        steps += _unless(_IF_EQUAL, number, [_refuse(errno.ENOSYS)])
    allowed = [step for family in FAMILIES.values() for step in _unless(_IF_EQUAL, family, [_allow()])]
    steps += _unless(_IF_EQUAL, known.socket, [(_LOAD, 0, 0, _ARGUMENT_0), *allowed, _refuse(errno.EAFNOSUPPORT)])
    refused = [
        step for number in TERMINAL_REQUESTS.values() for step in _unless(_IF_EQUAL, number, [_refuse(errno.EPERM)])
    ]
    steps += _unless(_IF_EQUAL, known.ioctl, [(_LOAD, 0, 0, _ARGUMENT_1), *refused, _allow()])
    steps.append(_allow())
    return b"".join(struct.pack("=HBBI", code, then, otherwise, value) for code, then, otherwise, value in steps)


def _unless(test: int, value: int, block: list[_Step]) -> list[_Step]:
    """`block` where the test holds; else what follows it."""
    return [(test, 0, len(block), value), *block]


def _refuse(number: int) -> _Step:
    return (_RETURN, 0, 0, _ERRNO | number)


def _allow() -> _Step:
    return (_RETURN, 0, 0, _ALLOW)
