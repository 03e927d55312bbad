"""What the lab's network cards take for a magic packet: frames are built here as the wire carries them."""

from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wakeonlan import create_magic_packet

from tests.fleet_lab.magic import read, text

MAC = "02:4d:41:54:00:01"
SENDER = bytes.fromhex("024d415400fe")


def udp(payload: bytes, *, port: int = 9, options: bytes = b"", trailer: bytes = b"", protocol: int = 17) -> bytes:
    header = bytes([0x45 + len(options) // 4]) + b"\0" * 8 + bytes([protocol]) + b"\0\0"
    addresses = socket.inet_aton("10.77.0.1") + socket.inet_aton("10.77.0.255")
    datagram = struct.pack("!HHHH", 40000, port, 8 + len(payload), 0) + payload
    return b"\xff" * 6 + SENDER + b"\x08\x00" + header + addresses + options + datagram + trailer


def bare(payload: bytes) -> bytes:
    return b"\xff" * 6 + SENDER + b"\x08\x42" + payload


@given(mac=st.binary(min_size=6, max_size=6), password=st.sampled_from(["", "0a:1b:2c:3d:4e:5f"]))
def test_what_the_package_makes_is_read_for_any_mac(mac: bytes, password: str) -> None:
    payload = create_magic_packet(f"{text(mac)}/{password}" if password else text(mac))
    for frame, port, source in ((udp(payload), 9, "10.77.0.1"), (bare(payload), None, text(SENDER))):
        found = read(frame)
        assert found is not None
        assert (found.mac, found.password, found.port, found.source) == (text(mac), password, port, source)


def test_a_long_ip_header_and_bytes_after_the_datagram_do_not_matter() -> None:
    found = read(udp(create_magic_packet(MAC), port=7, options=b"\x01" * 8, trailer=b"\0\0\0\0\0\0"))
    assert found is not None
    assert (found.mac, found.port, found.password) == (MAC, 7, "")


@pytest.mark.parametrize(
    "frame",
    [
        udp(create_magic_packet(MAC), port=80),
        udp(create_magic_packet(MAC), protocol=6),
        udp(create_magic_packet(MAC)[:-1]),
        udp(create_magic_packet(MAC)[1:]),
        udp(b""),
        bare(b"\xff" * 6),
        b"",
        b"\xff" * 14,
    ],
    ids=["port", "tcp", "fifteen and a bit", "five times ff", "no payload", "no mac", "nothing", "other protocol"],
)
def test_anything_less_is_no_magic_packet(frame: bytes) -> None:
    assert read(frame) is None


@given(st.binary(max_size=200))
def test_no_frame_is_too_odd_to_be_read(rest: bytes) -> None:
    for kind in (b"\x08\x00", b"\x08\x42"):
        read(b"\xff" * 6 + SENDER + kind + rest)
