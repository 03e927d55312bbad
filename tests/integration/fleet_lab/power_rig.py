"""A `matins up` in a lab whose machines it may wake and let sleep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from orchestrator.domain.wake import SleepKind
from tests.fleet_lab import Machine, Power
from tests.fleet_lab.orchestrator import LabOrchestrator
from tests.orchestrator import Json, wait_for

UP_S = 60.0
DOWN_S = 120.0

QUICK = {
    "tick_s": "0.3",
    "observe_s": "0.3",
    "sleep_rule": "fixed",
    "sleep_idle_s": "1",
    "wake_settle_s": "1",
    # Suspended, a machine of the lab does not stop CLOCK_MONOTONIC: woken, it takes launches once this is over.
    "suspend_limit_s": "20",
    "wake_back_off_s": "1",
    "worker_threads": "16",
    "preflight_on": "first-runner",
}
OFF: dict[SleepKind, Power] = {SleepKind.POWER_OFF: "off", SleepKind.SUSPEND: "suspended"}


class Sleepers(LabOrchestrator):
    """Machines are added awake, as an operator does who stands beside them."""

    def post(self, path: str, **body: Any) -> Json:
        token = (self.home / "token").read_text("utf-8").strip()

        def send() -> httpx.Response:
            url = f"{self.url}/api/v1/{path}"
            return httpx.post(url, json=body, headers={"Authorization": f"Bearer {token}"}, timeout=30)

        answer = self.lab.call(send)
        assert answer.is_success, f"{path}: {answer.text}{self.tail()}"
        return answer.json()

    def add_sleeper(self, machine: Machine, sleeps: SleepKind = SleepKind.POWER_OFF) -> None:
        self.post(
            "runners",
            name=machine.name,
            kind="ssh",
            host=machine.ip,
            user=machine.user,
            key_path=str(self.lab.key),
            host_key=machine.host_key,
            mac=machine.mac,
            broadcast=self.lab.broadcast,
            interface=self.lab.interface,
            sleeps=str(sleeps),
        )

    def answers(self) -> bool:
        """Whether the server can be asked."""
        try:
            return self._answers()
        except AssertionError:
            return False

    def runner(self, name: str) -> Json:
        return self.get(f"runners/{name}")

    def told(self, name: str, event: str) -> list[Json]:
        """What the log says of a runner under that name."""
        return [told["data"] for told in self.runner(name)["events"] if told["event"] == event]

    def wait_for_state(self, machine: Machine, *states: str, limit_s: float = UP_S) -> None:
        def explain() -> str:
            return f"{machine.name} is {machine.power}: {self.runner(machine.name)}\n{machine.log}\n{self.tail()}"

        wait_for(lambda: self.runner(machine.name)["state"] in states, limit_s, explain)


def all_asleep(
    matins: Sleepers, machines: Sequence[Machine], sleeps: Mapping[str, SleepKind] | None = None, *, told: bool = False
) -> None:
    """Every machine is switched on, added and known, and then sleeps because nobody needs it, or because an
    operator has `told` it to; off, unless `sleeps` names another way for it."""
    how = {machine.name: (sleeps or {}).get(machine.name, SleepKind.POWER_OFF) for machine in machines}
    for machine in machines:
        machine.press_button()
    for machine in machines:
        machine.wait_until("on")
        matins.add_sleeper(machine, how[machine.name])
    for machine in machines if told else ():
        matins.wait_for_state(machine, "idle")
        matins.post(f"runners/{machine.name}/sleep", by="ada")
    for machine in machines:
        matins.wait_for_state(machine, "asleep", limit_s=DOWN_S)
        machine.wait_until(OFF[how[machine.name]])
