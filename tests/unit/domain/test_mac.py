"""Only the address of one network card is ever sent a packet."""

from __future__ import annotations

import pytest

from orchestrator.domain.mac import parse_mac, parse_secureon


@pytest.mark.parametrize(
    "written", ["02:fc:00:00:00:05", "02-FC-00-00-00-05", "02fc.0000.0005", "02fc00000005", " 02:FC:00:00:00:05\n"]
)
def test_all_usual_forms_mean_the_same(written: str) -> None:
    assert parse_mac(written) == "02:fc:00:00:00:05"


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("00:00:00:00:00:00", "all zeros"),
        ("ff:ff:ff:ff:ff:ff", "broadcast"),
        ("01:00:5e:00:00:fb", "multicast"),
        ("02:fc:00:00:00", "is no MAC address"),
        ("02:fc:00:00:00:05:06", "is no MAC address"),
        ("02:fc-00:00:00:05", "is no MAC address"),
        ("02:fc:00:00:00:0g", "is no MAC address"),
        ("02:fc:00:00:00:05/aa", "is no MAC address"),
        ("", "is no MAC address"),
    ],
)
def test_what_no_card_can_have_is_refused_with_the_reason(written: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_mac(written)


def test_a_secureon_password_may_be_any_six_octets() -> None:
    assert parse_secureon("FF-00-00-00-00-01") == "ff:00:00:00:00:01"
    with pytest.raises(ValueError, match="is no SecureOn password"):
        parse_secureon("secret")
