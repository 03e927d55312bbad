"""Machines that do not come up: Matins names what is missing, tries again, and goes on without them.

Every fault has a machine of its own, and all are woken at once, so that this takes as long as the slowest."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator.domain.wake import STAGES, WakeStage
from tests.components import need
from tests.fleet_lab import FAULTS, FaultName, FleetLab, Machine
from tests.integration.fleet_lab.power_rig import QUICK, Sleepers, all_asleep
from tests.integration.service.toy import make_toy
from tests.orchestrator import Json, wait_for

pytestmark = pytest.mark.timeout(1200)

PATIENT = {**QUICK, "sleep_rule": "never", "wake_limit_s": "40", "wake_back_off_s": "600"}
"""A busy machine is given time for every stage that will come; what fails then is not tried again."""
HASTY = {"wake_limit_s": "3", "wake_back_off_s": "1"}
ROUND_S = 120.0
EPISODE_S = 180.0

# What dies in the middle may be missed at any step.
ANYWHERE = (WakeStage.LINK, WakeStage.TCP, WakeStage.SSH, WakeStage.BOOT_ID, WakeStage.HELLO)
# The stages at which each wake may fail, and words of what is seen instead.
FAULTY: dict[FaultName, tuple[tuple[WakeStage, ...], str]] = {
    "never-wakes": ((WakeStage.LINK,), "no answer to ARP"),
    "wrong-mac": ((WakeStage.LINK,), "no answer to ARP"),
    "wol-disarmed-after-sleep": ((WakeStage.LINK,), "no answer to ARP"),
    "no-sshd": ((WakeStage.TCP,), "refused"),
    "wrong-host-key": ((WakeStage.SSH,), "was pinned"),
    "dies-mid-wake": (ANYWHERE, ""),
    "no-vulkan-device": ((WakeStage.VULKAN,), "no compatible driver"),
}
SLOW: dict[FaultName, float | None] = {"wakes-on-third-packet": None, "sshd-late": 3.0}
ORDERED: tuple[FaultName, ...] = (*FAULTY, *SLOW)
BY_COMMAND: dict[FaultName, int] = {"no-vulkan-device": 1, "wakes-on-third-packet": 0}
"""Woken with `matins runner wake --wait --json`, and the exit status of that; the others are asked for over HTTP."""


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """`answers`: what `runner wake --json` prints of each fault once its first wake is over."""

    matins: Sleepers
    healthy: Machine
    machine: dict[FaultName, Machine]
    answers: dict[FaultName, Json]
    campaign: Path


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """All but the healthy one were told to sleep, had a fault ordered, and were woken once, at the same time."""
    need("bwrap", "git", "vulkan")
    folder = tmp_path_factory.mktemp("service-faults")
    with FleetLab(len(ORDERED) + 1, shared=[folder]) as lab:
        matins = Sleepers(lab, folder / "home", agents_path=str(folder / "campaigns" / "agents"), **PATIENT)
        healthy, *others = lab.machines
        machine = dict(zip(ORDERED, others, strict=True))
        machine["wol-disarmed-after-sleep"].order("wol-disarmed-after-sleep")
        try:
            matins.start()
            healthy.press_button()
            healthy.wait_until("on")
            matins.add_sleeper(healthy)
            all_asleep(matins, others, told=True)
            for fault, each in machine.items():
                each.order(fault, seconds=SLOW.get(fault))
            answers = wake_all(matins, machine)
            campaign = make_toy(folder / "campaigns", matins.home / "token")
            yield Fleet(matins=matins, healthy=healthy, machine=machine, answers=answers, campaign=campaign)
        finally:
            matins.stop()


def wake_all(matins: Sleepers, machine: dict[FaultName, Machine]) -> dict[FaultName, Json]:
    with ThreadPoolExecutor(len(BY_COMMAND)) as pool:
        commands: dict[FaultName, Future[Json]] = {
            fault: pool.submit(by_command, matins, machine[fault], code) for fault, code in BY_COMMAND.items()
        }
        for fault, each in machine.items():
            if fault not in commands:
                matins.post(f"runners/{each.name}/wake", by="ada")
        answers: dict[FaultName, Json] = {
            fault: commands[fault].result() if fault in commands else wait_until_over(matins, each)
            for fault, each in machine.items()
        }
    return answers


def by_command(matins: Sleepers, machine: Machine, code: int) -> Json:
    done = matins.matins("runner", "wake", machine.name, "--wait", f"{ROUND_S:g}", "--json", limit_s=2 * ROUND_S)
    assert done.returncode == code, f"{done.stdout}{done.stderr}{matins.tail()}"
    return json.loads(done.stdout)


def wait_until_over(matins: Sleepers, machine: Machine) -> Json:
    def asked() -> Json:
        return matins.get(f"runners/{machine.name}/wake")

    wait_for(lambda: not asked()["under_way"], ROUND_S, lambda: f"{asked()}\n{machine.log}\n{matins.tail()}")
    return asked()


def test_every_fault_is_ordered_here() -> None:
    assert set(ORDERED) == set(FAULTS)


@pytest.mark.fault(23)
@pytest.mark.parametrize("fault", FAULTY)
def test_a_failed_wake_has_the_name_of_its_fault(fleet: Fleet, fault: FaultName) -> None:
    stages, words = FAULTY[fault]
    answer, machine = fleet.answers[fault], fleet.machine[fault]
    assert not answer["ready"]
    assert answer["failed_stage"] in stages, answer
    assert answer["reason"].startswith(STAGES[WakeStage(answer["failed_stage"])].missing)
    assert words in answer["reason"]
    (failed,) = fleet.matins.told(machine.name, "wake-failed")
    assert (failed["stage"], failed["reason"]) == (answer["failed_stage"], answer["reason"])
    assert fleet.matins.runner(machine.name)["health"] != "QUARANTINED"
    assert machine.packets


@pytest.mark.parametrize("fault", SLOW)
def test_a_slow_wake_ends_ready(fleet: Fleet, fault: FaultName) -> None:
    answer, machine = fleet.answers[fault], fleet.machine[fault]
    assert (answer["ready"], answer["reason"]) == (True, "")
    assert [stage["name"] for stage in answer["stages"]] == [str(stage) for stage in WakeStage]
    assert fleet.matins.told(machine.name, "wake-failed") == []
    assert len(fleet.matins.told(machine.name, "woken")) == 1


@pytest.mark.fault(23)
def test_three_failures_quarantine_and_the_episode_runs_elsewhere_at_no_cost(fleet: Fleet) -> None:
    """The wake before was the first failure of each."""
    matins, healthy = fleet.matins, fleet.healthy
    hopeless = [fleet.machine["never-wakes"], fleet.machine["no-vulkan-device"]]
    for machine in {healthy, *fleet.machine.values()} - set(hopeless):
        matins.post(f"runners/{machine.name}/drain", by="ada")
    matins.stop()
    matins.start(**HASTY)
    (one,) = matins.submit(fleet.campaign, "replay:doer")

    wait_for(lambda: sum(is_given_up(matins, machine) for machine in hopeless) == len(hopeless), ROUND_S, matins.tail)
    for machine in hopeless:
        # The operator may have asked for one more before the next plan.
        third = matins.told(machine.name, "wake-failed")[2]
        (judged,) = [told for told in matins.told(machine.name, "health-changed") if told["health"] == "QUARANTINED"]
        assert judged["reason"] == third["reason"] == matins.runner(machine.name)["detail"]
    said = "\n".join(matins.get(f"episodes/{one}/explain")["lines"])
    assert f"{healthy.name} is draining" in said
    for machine in hopeless:
        assert f"{machine.name} is QUARANTINED since" in said
    assert matins.episode(one)["attempts"] == []

    matins.post(f"runners/{healthy.name}/resume", by="ada")
    ended = matins.wait_until_ended([one], EPISODE_S)[one]
    assert ended["phase"] == "DONE", ended
    assert [(attempt["runner"], attempt["fence"]) for attempt in ended["attempts"]] == [(healthy.name, 1)]


def is_given_up(matins: Sleepers, machine: Machine) -> bool:
    """Asks for another wake, as an impatient operator does, until the machine is quarantined."""
    runner = matins.runner(machine.name)
    if runner["health"] != "QUARANTINED" and runner["operation"] == "NONE":
        matins.post(f"runners/{machine.name}/wake", by="ada")
    return runner["health"] == "QUARANTINED"
