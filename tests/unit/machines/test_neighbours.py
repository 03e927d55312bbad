"""The kernel's neighbour table: only a confirmed neighbour has answered."""

from __future__ import annotations

import socket
import struct

from orchestrator.machines.neighbours import (
    ATTRIBUTE,
    HEADER,
    NDA_CACHEINFO,
    NDA_DST,
    NEIGHBOUR,
    NLMSG_DONE,
    RTM_NEWNEIGH,
    confirmed_ago_s,
    newest,
)

REACHABLE, STALE, FAILED = 0x02, 0x04, 0x20


def attribute(kind: int, data: bytes) -> bytes:
    return ATTRIBUTE.pack(ATTRIBUTE.size + len(data), kind) + data + b"\0" * (-len(data) % 4)


def message(kind: int, body: bytes) -> bytes:
    return HEADER.pack(HEADER.size + len(body), kind, 2, 1, 0) + body


def entry(address: str, state: int, confirmed_ticks: int) -> bytes:
    head = NEIGHBOUR.pack(socket.AF_INET, 2, state, 0, 1)
    times = struct.pack("=IIII", confirmed_ticks, 5, 5, 0)
    return message(
        RTM_NEWNEIGH,
        head + attribute(NDA_DST, socket.inet_aton(address)) + attribute(2, bytes(6)) + attribute(NDA_CACHEINFO, times),
    )


DONE = message(NLMSG_DONE, bytes(4))


def test_the_newest_confirmation_of_the_address_is_found() -> None:
    table = [
        entry("192.0.2.7", REACHABLE, 900) + entry("192.0.2.8", REACHABLE, 100),
        entry("192.0.2.7", REACHABLE, 250),
        DONE,
    ]
    assert newest(table, "192.0.2.7", 100) == 2.5


def test_an_entry_that_went_stale_or_failed_is_no_answer() -> None:
    table = [entry("192.0.2.7", STALE, 10) + entry("192.0.2.7", FAILED, 10) + DONE]
    assert newest(table, "192.0.2.7", 100) is None


def test_a_truncated_answer_is_read_as_far_as_it_goes() -> None:
    whole = entry("192.0.2.7", REACHABLE, 100)
    for cut in range(len(whole)):
        assert newest([whole[:cut]], "192.0.2.7", 100) in (None, 1.0)


def test_this_kernel_is_asked_and_answers() -> None:
    assert confirmed_ago_s("192.0.2.254") is None
