"""Machines that do not come up: Matins names what is missing, tries again, and goes on without them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.domain.wake import STAGES, WakeStage
from tests.components import need
from tests.fleet_lab import FaultName, FleetLab, Machine
from tests.integration.fleet_lab.power_rig import Sleepers, all_asleep
from tests.integration.service.toy import make_toy
from tests.orchestrator import wait_for

WAKE_LIMIT_S = 20.0
THREE_FAILURES_S = 180.0

# The stage at which each wake has to fail, and what is seen instead; a busy machine may be too slow for that at times.
FAULTY: dict[FaultName, tuple[WakeStage, str]] = {
    "never-wakes": (WakeStage.LINK, "no answer"),
    "no-sshd": (WakeStage.TCP, "refused"),
    "wrong-host-key": (WakeStage.SSH, "was pinned"),
    "no-vulkan-device": (WakeStage.VULKAN, "no compatible driver"),
}


@pytest.fixture
def own_lab(tmp_path: Path) -> Iterator[FleetLab]:
    need("bwrap", "git", "vulkan")
    with FleetLab(len(FAULTY) + 1, shared=[tmp_path]) as lab:
        yield lab


@pytest.fixture
def matins(tmp_path: Path, own_lab: FleetLab) -> Iterator[Sleepers]:
    running = Sleepers(
        own_lab,
        tmp_path / "home",
        agents_path=str(tmp_path / "campaigns" / "agents"),
        tick_s="0.3",
        observe_s="0.3",
        sleep_rule="fixed",
        sleep_idle_s="1",
        wake_back_off_s="1",
        wake_limit_s=str(WAKE_LIMIT_S),
    )
    try:
        yield running.start()
    finally:
        running.stop()


@pytest.mark.fault(23)
@pytest.mark.timeout(600)
def test_each_fault_is_named_three_of_them_quarantine_and_the_episode_runs_elsewhere(
    tmp_path: Path, own_lab: FleetLab, matins: Sleepers
) -> None:
    campaign = make_toy(tmp_path / "campaigns", matins.home / "token")
    healthy, *faulty = own_lab.machines
    all_asleep(matins, own_lab)
    for machine, fault in zip(faulty, FAULTY, strict=True):
        machine.order(fault)
    matins.post(f"runners/{healthy.name}/drain", by="ada")
    (one,) = matins.submit(campaign, "replay:doer")

    wait_for(lambda: all(is_given_up(matins, machine) for machine in faulty), THREE_FAILURES_S, matins.tail)
    for machine, (stage, words) in zip(faulty, FAULTY.values(), strict=True):
        # The operator may have asked for one more before the next plan.
        failed = matins.told(machine.name, "wake-failed")[:3]
        assert len(failed) == 3
        assert {told["stage"] for told in failed} == {stage}
        assert all(told["reason"].startswith(STAGES[stage].missing) for told in failed)
        assert any(words in told["reason"] for told in failed), failed
        assert matins.runner(machine.name)["detail"] == failed[-1]["reason"]
        (judged,) = matins.told(machine.name, "health-changed")
        assert (judged["health"], judged["reason"]) == ("QUARANTINED", failed[-1]["reason"])
    said = "\n".join(matins.get(f"episodes/{one}/explain")["lines"])
    assert f"{healthy.name} is draining" in said
    assert f"{faulty[0].name} is QUARANTINED since" in said

    matins.post(f"runners/{healthy.name}/resume", by="ada")
    ended = matins.wait_until_ended([one], 120)[one]
    assert ended["phase"] == "DONE", ended
    assert [(attempt["runner"], attempt["fence"]) for attempt in ended["attempts"]] == [(healthy.name, 1)]


def is_given_up(matins: Sleepers, machine: Machine) -> bool:
    """Asks for another wake, as an impatient operator does, until the machine is quarantined."""
    runner = matins.runner(machine.name)
    if runner["health"] != "QUARANTINED" and runner["operation"] == "NONE":
        matins.post(f"runners/{machine.name}/wake", by="ada")
    return runner["health"] == "QUARANTINED"
