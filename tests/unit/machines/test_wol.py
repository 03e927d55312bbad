"""Magic packets as they leave. They go to this host's own loopback only."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from orchestrator.errors import LinkError
from orchestrator.machines.wol import BURST, PORTS, WakeTarget, send_burst, source_address

MAC = "02:fc:00:00:00:05"
MAGIC = b"\xff" * 6 + bytes.fromhex("02fc00000005") * 16


def ports(ears: list[socket.socket]) -> tuple[int, ...]:
    return tuple(ear.getsockname()[1] for ear in ears)


@pytest.fixture
def heard() -> Iterator[list[socket.socket]]:
    """Two sockets instead of the usual ports, on which only root may listen."""
    ears = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in PORTS]
    for ear in ears:
        ear.bind(("127.0.0.1", 0))
        ear.settimeout(2)
    yield ears
    for ear in ears:
        ear.close()


def test_a_burst_goes_to_both_ports_from_the_named_interface(heard: list[socket.socket]) -> None:
    assert send_burst(WakeTarget(mac=MAC, broadcast="127.0.0.1", interface="lo"), ports(heard)) == 2 * BURST
    for ear in heard:
        packets = [ear.recvfrom(200) for _ in range(BURST)]
        assert {packet for packet, _ in packets} == {MAGIC}
        assert {source for _, (source, _) in packets} == {"127.0.0.1"}


def test_a_secureon_password_follows_the_pattern(heard: list[socket.socket]) -> None:
    send_burst(WakeTarget(mac="02FC.0000.0005", broadcast="127.0.0.1", secureon="01-02-03-04-05-06"), ports(heard))
    assert heard[0].recv(200) == MAGIC + bytes(range(1, 7))


def test_an_interface_is_resolved_to_its_address() -> None:
    assert source_address("lo") == "127.0.0.1"
    assert source_address("192.0.2.5") == "192.0.2.5"


@pytest.mark.parametrize(
    ("name", "why"),
    [("nosuch0", "has no network interface nosuch0"), ("a-name-of-sixteen-bytes", "longer than 15 bytes")],
)
def test_an_interface_that_is_not_there_is_named(name: str, why: str) -> None:
    with pytest.raises(LinkError, match=why):
        send_burst(WakeTarget(mac=MAC, interface=name))


def test_a_packet_that_cannot_leave_is_named_with_its_way() -> None:
    # An address of a documentation network: no interface of this host has it.
    with pytest.raises(LinkError, match=r"no packet could be sent to 127\.0\.0\.1:9 from 192\.0\.2\.77"):
        send_burst(WakeTarget(mac=MAC, broadcast="127.0.0.1", interface="192.0.2.77"))


def test_the_address_of_no_card_is_sent_nothing() -> None:
    with pytest.raises(ValueError, match="multicast"):
        send_burst(WakeTarget(mac="ff:ff:ff:ff:ff:ff", broadcast="127.0.0.1"))
