"""The tables of the lab's machines: power and faults."""

from __future__ import annotations

import typing

import pytest

from tests.fleet_lab.faults import FAULTS, HEALTHY, FaultName, ordered
from tests.fleet_lab.power import ASLEEP, TABLE, Power, advance

POWERS: tuple[Power, ...] = typing.get_args(Power)


def test_every_power_is_reached_and_left() -> None:
    assert {power for power, _ in TABLE} == set(TABLE.values()) == set(POWERS)


def test_pulling_the_plug_ends_in_off_from_everywhere() -> None:
    assert {advance(power, "cut") for power in POWERS if power != "off"} == {"off"}


def test_only_what_sleeps_can_be_woken_and_only_what_is_on_can_fall_asleep() -> None:
    assert tuple(power for power in POWERS if advance(power, "wake")) == ASLEEP
    assert [power for power in POWERS if advance(power, "suspend")] == ["on"]
    assert advance("suspending", "wake") is None


def test_every_fault_changes_something() -> None:
    assert set(FAULTS) == set(typing.get_args(FaultName))
    assert ordered(None) == HEALTHY
    for name, fault in FAULTS.items():
        assert ordered(name) == fault
        assert {**vars(fault), "says": ""} != {**vars(HEALTHY), "says": ""}


def test_seconds_are_for_faults_that_take_time() -> None:
    assert ordered("sshd-late", 2).sshd_late_s == 2
    assert ordered("dies-mid-wake", 3).dies_after_s == 3
    with pytest.raises(ValueError, match="takes no seconds"):
        ordered("no-sshd", 1)
