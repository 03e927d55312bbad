"""What the demo's episodes cost: the prices of its runner, and waiting until the accounts are settled."""

from __future__ import annotations

from typing import Any

from orchestrator.cli.answers import read
from orchestrator.cli.client import Client
from orchestrator.cli.cost import Asked, Report, fetch
from orchestrator.cli.patience import Patience
from orchestrator.cli.runners import NewRunner

PRICE_PER_HOUR = 0.50
WATTS = {"asleep": 2.0, "idle": 40.0, "busy": 120.0, "rest": 30.0}
PRICE_PER_KWH = 0.30

SETTLED_WITHIN_S = 120.0
SAYS = (
    f"What that cost, at prices that are examples: {PRICE_PER_HOUR:.2f} USD for an hour of this machine and "
    f"{PRICE_PER_KWH:.2f} USD for a kWh; {WATTS['busy']:g} W busy and {WATTS['idle']:g} W idle, or {WATTS['rest']:g} W "
    "beside what is measured. Tokens cost what the recordings tell."
)


def runner(name: str) -> NewRunner:
    """This machine, at prices that are examples."""
    watts = ",".join(f"{what}={watts:g}" for what, watts in WATTS.items())
    return NewRunner(name=name, local=True, watts=watts, price_per_hour=PRICE_PER_HOUR, price_per_kwh=PRICE_PER_KWH)


def are_examples(prices: dict[str, float]) -> bool:
    """Of what the API says of a runner."""
    shown = {f"{name}_w": watts for name, watts in WATTS.items()}
    examples = {"hardware_usd_per_h": PRICE_PER_HOUR, "energy_usd_per_kwh": PRICE_PER_KWH, **shown}
    return {name: price for name, price in prices.items() if price} == examples


def settled(client: Client, episodes: tuple[str, ...], patience: Patience, every_s: float) -> dict[str, Any]:
    """The report on these episodes once nothing is missing in it, or as it is after SETTLED_WITHIN_S."""
    clock = patience.clock
    deadline = clock.now() + SETTLED_WITHIN_S
    while True:
        answer = patience.ask(lambda: fetch(client, Asked(by="agent"), episodes))
        if not read(Report, answer).unsettled or clock.now() >= deadline:
            return answer
        patience.pause(every_s)
