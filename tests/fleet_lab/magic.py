"""Magic packets as a network card sees them: a pure reading of Ethernet frames."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass

ETHERTYPE_IPV4 = 0x0800
ETHERTYPE_WAKE = 0x0842
PORTS = (7, 9)
PASSWORD_BYTES = (4, 6)

_PATTERN = re.compile(rb"\xff{6}(.{6})\1{15}", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Magic:
    """Whom the frame is to wake. `source` is an IP address, or a MAC for a bare frame, whose `port` is None."""

    mac: str
    password: str
    source: str
    port: int | None


@dataclass(frozen=True, kw_only=True)
class MagicPacket:
    """A magic packet that reached a machine at `at_s` (Unix time), the machine's power then, and whether it woke it."""

    at_s: float
    mac: str
    password: str
    source: str
    port: int | None
    power: str
    woke: bool


def read(frame: bytes) -> Magic | None:
    """The magic packet in an Ethernet frame: UDP over IPv4 to port 7 or 9, or EtherType 0x0842."""
    kind = int.from_bytes(frame[12:14], "big")
    if kind == ETHERTYPE_WAKE:
        return _read_payload(frame[14:], text(frame[6:12]), None)
    if kind != ETHERTYPE_IPV4 or len(frame) < 34 or frame[23] != socket.IPPROTO_UDP:
        return None
    udp = 14 + 4 * (frame[14] & 0x0F)
    port = int.from_bytes(frame[udp + 2 : udp + 4], "big")
    end = udp + int.from_bytes(frame[udp + 4 : udp + 6], "big")
    if port not in PORTS:
        return None
    return _read_payload(frame[udp + 8 : end], socket.inet_ntoa(frame[26:30]), port)


def text(address: bytes) -> str:
    """Bytes as aa:bb:…"""
    return address.hex(":")


def _read_payload(payload: bytes, source: str, port: int | None) -> Magic | None:
    found = _PATTERN.search(payload)
    if found is None:
        return None
    rest = payload[found.end() :]
    password = text(rest) if len(rest) in PASSWORD_BYTES else ""
    return Magic(mac=text(found[1]), password=password, source=source, port=port)
