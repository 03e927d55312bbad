"""Which card a wake is meant for, and whether it would wake the machine."""

from __future__ import annotations

import pytest

from runner_agent.nic import Card, choose, default_interface, judge
from runner_agent.programs import Told

CARD = Card(name="eth0", mac="02:00:00:00:00:01", physical=True)
OTHER = Card(name="eth1", mac="02:00:00:00:00:02", physical=True)

ARMED = """Settings for eth0:
	Supported ports: [ TP	 MII ]
	Supports auto-negotiation: Yes
	Speed: 1000Mb/s
	Supports Wake-on: pumbg
	Wake-on: g
	Link detected: yes
"""
NOT_ROOT = "netlink error: Operation not permitted\n"
ROUTES = """Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth1	00000000	0102A8C0	0003	0	0	600	00000000	0	0	0
eth0	00000000	0101A8C0	0003	0	0	100	00000000	0	0	0
eth0	0001A8C0	00000000	0001	0	0	0	00FFFFFF	0	0	0
"""

JUDGED = [
    (CARD, Told(exit_code=0, stdout=ARMED), "armed"),
    (CARD, Told(exit_code=0, stdout=ARMED.replace("Wake-on: g", "Wake-on: gs")), "armed"),
    (CARD, Told(exit_code=0, stdout=ARMED.replace("Wake-on: g", "Wake-on: d")), "disarmed: eth0 has `Wake-on: d`"),
    (CARD, Told(exit_code=0, stdout=ARMED.replace("Wake-on: g", "Wake-on: u")), "disarmed: eth0 has `Wake-on: u`"),
    (
        CARD,
        Told(exit_code=0, stdout=ARMED.replace("pumbg", "d")),
        "disarmed: the card of eth0 knows no magic packet (supports 'd')",
    ),
    (
        CARD,
        Told(exit_code=0, stdout="Settings for eth0:\n\tLink detected: yes\n", stderr=NOT_ROOT),
        "unknown: ethtool does not say it of eth0 (it needs root)",
    ),
    (
        CARD,
        Told(exit_code=1, stderr="sudo: a password is required\n"),
        "unknown: ethtool does not say it of eth0 (sudo: a password is required)",
    ),
    (CARD, None, "unknown: there is no ethtool to ask"),
    (
        Card(name="eth0", mac=CARD.mac, physical=True, wakeup="disabled"),
        None,
        "disarmed: the kernel does not let eth0 wake the machine (device/power/wakeup is disabled)",
    ),
    (
        Card(name="eth0", mac=CARD.mac, physical=True, wakeup="enabled"),
        None,
        "unknown: there is no ethtool to ask",
    ),
]


@pytest.mark.parametrize(("card", "told", "verdict"), JUDGED)
def test_what_ethtool_answers_is_judged(card: Card, told: Told | None, verdict: str) -> None:
    assert judge(card, told) == verdict


def test_the_card_of_the_default_route_with_the_lowest_metric_is_meant() -> None:
    assert default_interface(ROUTES) == "eth0"
    assert choose((CARD, OTHER), "", ROUTES) == CARD


def test_an_address_that_is_asked_for_goes_before_the_route() -> None:
    assert choose((CARD, OTHER), "02-00-00-00-00-02".upper(), ROUTES) == OTHER
    assert choose((CARD, OTHER), "02:00:00:00:00:03", ROUTES) is None


def test_without_a_default_route_only_a_single_card_can_be_meant() -> None:
    assert default_interface("Iface\tDestination\n") == ""
    assert choose((CARD,), "", "") == CARD
    assert choose((CARD, OTHER), "", "") is None
