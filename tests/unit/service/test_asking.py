"""When a runner is asked, and when it is left alone."""

from __future__ import annotations

import pytest

from orchestrator.store.tables import RunnerRow
from tests.unit.service.rig import Died, Rig


def power(rig: Rig) -> str:
    (row,) = rig.rows(RunnerRow)
    return row.power


@pytest.mark.fault(11)
def test_a_runner_whose_ring_was_lost_is_rung_for_again_within_seconds(rig: Rig) -> None:
    rig.bell.deaf = True
    rig.tick()
    rig.bell.deaf = False
    rig.beat(5)
    assert power(rig) == "AWAKE"


@pytest.mark.fault(12)
def test_a_runner_that_is_being_asked_is_asked_by_nobody_else_until_that_must_be_over(rig: Rig) -> None:
    rig.wires["local"].before["hello"] = [Died()]
    with pytest.raises(Died):
        rig.observe()
    rig.restart(alone=False)
    rig.observe()
    rig.beat(30)
    assert rig.wires["local"].calls.total() == 0
    rig.beat(31)
    assert power(rig) == "AWAKE"
