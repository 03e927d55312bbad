"""How a machine draws power, from what is known of it. Pure."""

from __future__ import annotations

from orchestrator.accounting.values import Draw
from orchestrator.domain.runner import Operation, Power, Runner, Service

DRAWS: dict[Power, Draw] = {
    Power.AWAKE: "awake",
    Power.ASLEEP: "asleep",
    Power.UNREACHABLE: "away",
    Power.UNKNOWN: "away",
}


def draw_of(runner: Runner) -> Draw:
    """A machine on its way up or down is taken to run."""
    if runner.service is Service.RETIRED:
        return "off"
    return DRAWS[runner.power] if runner.operation is Operation.NONE else "awake"
