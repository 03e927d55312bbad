"""When a machine of this network last answered ARP, from the kernel's neighbour table (rtnetlink(7), no privilege).

`/proc/net/arp` would not do: it shows an entry that has gone stale as complete, so a machine that fell asleep a minute
ago looks as if it were there.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator

RTM_NEWNEIGH, RTM_GETNEIGH, NLMSG_ERROR, NLMSG_DONE = 28, 30, 2, 3
REQUEST_DUMP = 0x1 | 0x300
NDA_DST, NDA_CACHEINFO = 1, 3
CONNECTED = 0x02
"""NUD_REACHABLE: confirmed, and that is not long ago."""

DATAGRAM_BYTES = 1 << 16
DATAGRAMS_MAX = 1024
DISCARD_PORT = 9
HEADER = struct.Struct("=IHHII")
NEIGHBOUR = struct.Struct("=B3xiHBB")
ATTRIBUTE = struct.Struct("=HH")


def poke(host: str) -> None:
    """Makes the kernel ask by ARP who has that address, by an empty datagram for the discard port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"", (host, DISCARD_PORT))


def confirmed_ago_s(host: str, limit_s: float = 2.0) -> float | None:
    """Seconds since the IPv4 address `host` last answered; None if it is not known to have. Raises OSError."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
        kernel.settimeout(limit_s)
        request = NEIGHBOUR.pack(socket.AF_INET, 0, 0, 0, 0)
        kernel.send(HEADER.pack(HEADER.size + len(request), RTM_GETNEIGH, REQUEST_DUMP, 1, 0) + request)
        datagrams = [kernel.recv(DATAGRAM_BYTES)]
        while not _last(datagrams[-1]) and len(datagrams) < DATAGRAMS_MAX:
            datagrams.append(kernel.recv(DATAGRAM_BYTES))
    return newest(datagrams, host, os.sysconf("SC_CLK_TCK"))


def newest(datagrams: list[bytes], host: str, ticks_per_s: int) -> float | None:
    """Of the kernel's answer, the newest confirmation of that address."""
    wanted = socket.inet_aton(host)
    ages = (age for datagram in datagrams for kind, body in _messages(datagram) for age in _ages(kind, body, wanted))
    youngest = min(ages, default=None)
    return youngest / ticks_per_s if youngest is not None else None


def _ages(kind: int, body: bytes, wanted: bytes) -> Iterator[int]:
    if kind != RTM_NEWNEIGH or len(body) < NEIGHBOUR.size:
        return
    _, _, state, _, _ = NEIGHBOUR.unpack_from(body)
    attributes = dict(_attributes(body[NEIGHBOUR.size :]))
    if state & CONNECTED and attributes.get(NDA_DST) == wanted and len(attributes.get(NDA_CACHEINFO, b"")) >= 4:
        yield int.from_bytes(attributes[NDA_CACHEINFO][:4], "little" if struct.pack("=H", 1)[0] else "big")


def _messages(datagram: bytes) -> Iterator[tuple[int, bytes]]:
    while len(datagram) >= HEADER.size:
        length, kind, _, _, _ = HEADER.unpack_from(datagram)
        if length < HEADER.size:
            return
        yield kind, datagram[HEADER.size : length]
        datagram = datagram[_aligned(length) :]


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= ATTRIBUTE.size:
        length, kind = ATTRIBUTE.unpack_from(data)
        if length < ATTRIBUTE.size:
            return
        yield kind, data[ATTRIBUTE.size : length]
        data = data[_aligned(length) :]


def _aligned(length: int) -> int:
    return (length + 3) & ~3


def _last(datagram: bytes) -> bool:
    return not datagram or any(kind in (NLMSG_DONE, NLMSG_ERROR) for kind, _ in _messages(datagram))
