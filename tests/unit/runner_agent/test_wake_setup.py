"""Where a machine is told to arm Wake-on-LAN at each boot."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runner_agent.nic import Card
from runner_agent.wake_setup import kept_by, read_files

CARD = Card(name="enp5s0", mac="02:00:00:00:00:01", physical=True)
LINK = "[Match]\nMACAddress=02:00:00:00:00:01\n\n[Link]\nNamePolicy=keep kernel\nWakeOnLan=magic\n"
DEFAULT = (
    "# as shipped\n[Match]\nOriginalName=*\n[Link]\nNamePolicy=keep kernel database\nMACAddressPolicy=persistent\n"
)
NM = "[connection]\nid=wired\ninterface-name=enp5s0\n\n[ethernet]\nwake-on-lan=64\n"

ETC, USR = "/etc/systemd/network", "/usr/lib/systemd/network"
MANAGER = "/etc/NetworkManager/system-connections/wired.nmconnection"
INTERFACES = "/etc/network/interfaces"

FOUND = [
    ({}, ""),
    ({f"{USR}/99-default.link": DEFAULT}, ""),
    ({f"{ETC}/50-wol.link": LINK, f"{USR}/99-default.link": DEFAULT}, f"{ETC}/50-wol.link"),
    ({f"{ETC}/50-wol.link": LINK.upper().replace("[MATCH]", "[Match]")}, ""),
    ({f"{ETC}/50-wol.link": LINK.replace("00:01", "00:02")}, ""),
    ({f"{ETC}/50-wol.link": LINK.replace("magic", "off")}, ""),
    ({f"{ETC}/50-wol.link": LINK.replace("magic", "unicast magic")}, f"{ETC}/50-wol.link"),
    ({f"{ETC}/50-wol.link": LINK.replace("MACAddress=02:00:00:00:00:01", "OriginalName=enp*")}, f"{ETC}/50-wol.link"),
    # The first that matches counts, so one that comes after the default does nothing.
    ({f"{ETC}/99-z.link": LINK, f"{USR}/99-default.link": DEFAULT}, ""),
    # One of the same name in /etc hides the one that was shipped.
    ({f"{ETC}/50-wol.link": LINK, f"{USR}/50-wol.link": DEFAULT}, f"{ETC}/50-wol.link"),
    ({MANAGER: NM}, MANAGER),
    ({MANAGER: NM.replace("64", "1")}, ""),
    ({MANAGER: NM.replace("enp5s0", "enp6s0")}, ""),
    ({INTERFACES: "auto enp5s0\niface enp5s0 inet dhcp\n    ethernet-wol g\n"}, INTERFACES),
    ({INTERFACES: "iface enp6s0 inet dhcp\n    ethernet-wol g\niface enp5s0 inet dhcp\n"}, ""),
    ({f"{ETC}/50-wol.link": "no section\n", MANAGER: NM}, MANAGER),
]


@pytest.mark.parametrize(("files", "path"), FOUND)
def test_the_file_that_arms_it_at_each_boot_is_found(files: dict[str, str], path: str) -> None:
    assert kept_by(CARD, files) == path


@pytest.mark.parametrize(
    ("files", "path"),
    [
        ({MANAGER: NM}, MANAGER),
        ({f"{ETC}/50-wol.link": LINK}, f"{ETC}/50-wol.link"),
        ({INTERFACES: "iface enp5s0 inet dhcp\n ethernet-wol g\n"}, INTERFACES),
    ],
)
def test_it_is_found_where_the_machine_keeps_it(tmp_path: Path, files: dict[str, str], path: str) -> None:
    for name, text in {f"{USR}/99-default.link": DEFAULT, **files}.items():
        file = tmp_path / name[1:]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    found, closed = read_files(tmp_path)
    assert found.keys() == {f"{USR}/99-default.link", *files}
    assert closed == ()
    assert kept_by(CARD, found) == path


def test_a_machine_that_has_none_of_these_files_is_read_without_complaint(tmp_path: Path) -> None:
    # systemd takes a link to /dev/null for a file that is to be left out.
    masked = tmp_path / "etc/systemd/network/50-wol.link"
    masked.parent.mkdir(parents=True)
    os.symlink("/dev/null", masked)
    (tmp_path / "etc/network").mkdir()
    (tmp_path / "etc/network/interfaces").mkdir()
    assert read_files(tmp_path) == ({f"{ETC}/50-wol.link": ""}, ())
