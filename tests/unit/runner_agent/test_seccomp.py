"""The filter of system calls, run by a small interpreter of its language."""

from __future__ import annotations

import errno
import struct

import pytest

from runner_agent import seccomp

ALLOWED = 0
AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
SOCKET = {"x86_64": 41, "aarch64": 198}
IOCTL = {"x86_64": 16, "aarch64": 29}
OPENAT = {"x86_64": 257, "aarch64": 56}


def verdict(machine: str, number: int, *arguments: int, audit: int | None = None) -> int:
    """0 where the call may go through, else the error that it gets."""
    program = seccomp.program(machine)
    assert program is not None
    data = struct.pack("=iIQ6Q", number, audit or AUDIT[machine], 0, *(*arguments, *[0] * (6 - len(arguments))))
    steps = list(struct.iter_unpack("=HBBI", program))
    at = value = 0
    while True:
        code, then, otherwise, constant = steps[at]
        at += 1
        if code == 0x20:
            value = struct.unpack_from("=I", data, constant)[0]
        elif code == 0x06:
            return ALLOWED if constant == 0x7FFF0000 else constant & 0xFFFF
        else:
            holds = value == constant if code == 0x15 else value >= constant
            at += then if holds else otherwise


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_sockets_of_four_families_and_no_others(machine: str) -> None:
    families = range(64)
    opened = [family for family in families if verdict(machine, SOCKET[machine], family) == ALLOWED]
    assert opened == [1, 2, 10, 16]
    assert verdict(machine, SOCKET[machine], 40) == errno.EAFNOSUPPORT


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_what_reaches_past_the_sandbox_is_refused_and_all_else_is_not(machine: str) -> None:
    assert verdict(machine, 425) == verdict(machine, 426) == verdict(machine, 427) == errno.ENOSYS
    assert verdict(machine, {"x86_64": 250, "aarch64": 219}[machine]) == errno.ENOSYS
    assert verdict(machine, IOCTL[machine], 1, 0x5412) == errno.EPERM
    assert verdict(machine, IOCTL[machine], 1, 0x5401) == ALLOWED
    assert verdict(machine, OPENAT[machine]) == ALLOWED


def test_the_numbers_of_another_architecture_are_not_taken_for_this_ones() -> None:
    assert verdict("x86_64", 3, audit=0x40000003) == errno.ENOSYS
    assert verdict("x86_64", 0x40000000 | 41, 40) == errno.ENOSYS


def test_for_an_unknown_machine_there_is_no_filter() -> None:
    assert seccomp.program("riscv64") is None
