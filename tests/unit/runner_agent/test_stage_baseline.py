"""When a runner's built base is made anew."""

from __future__ import annotations

from typing import Any

import pytest

from runner_agent.stages.baseline import how_to_have

OLD = "radv Mesa 24.1.0 on 00000000-0300-0000-0000-000000000000"
NEW = "radv Mesa 24.1.1 on 00000000-0300-0000-0000-000000000000"


def built(drivers: str) -> dict[str, Any]:
    return {"commit": "c" * 40, "build": "ok", "test": "ok", "detail": "", "drivers": drivers}


def test_a_base_that_is_not_there_or_did_not_build_is_made() -> None:
    assert how_to_have(None, OLD) == "made"
    assert how_to_have({**built(OLD), "build": "failed"}, OLD) == "made"


def test_a_base_is_reused_under_the_driver_that_it_was_built_under() -> None:
    assert how_to_have(built(OLD), OLD) == "reused"


def test_another_driver_makes_it_again_and_both_are_named() -> None:
    assert how_to_have(built(OLD), NEW) == f"made again: the driver changed from {OLD} to {NEW}"


def test_a_device_that_cannot_be_asked_tells_of_no_change() -> None:
    assert how_to_have(built(OLD), "") == "reused"


@pytest.mark.parametrize("noted", [{"drivers": ""}, {}], ids=["no device was told then", "made by an older agent"])
def test_a_base_without_a_noted_driver_is_made_again_once_one_is_known(noted: dict[str, Any]) -> None:
    before = {key: value for key, value in built("").items() if key != "drivers"} | noted
    assert how_to_have(before, NEW) == f"made again: the driver changed from one that was not noted to {NEW}"
