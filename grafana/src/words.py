"""Words that more than one dashboard says in the same way."""

from __future__ import annotations

from grafana.src.panels import of
from orchestrator.domain.runner import SHOWN_STATES

RUNNER = 'runner=~"$runner"'
AWAKE = 'state=~"idle|busy|draining"'
CAMPAIGN = 'campaign=~"$campaign"'

COLOURS = {
    "retired": "dark-purple",
    "out of service": "purple",
    "quarantined": "red",
    "unreachable": "orange",
    "waking": "yellow",
    "suspending": "light-blue",
    "asleep": "dark-blue",
    "draining": "semi-dark-yellow",
    "busy": "green",
    "idle": "super-light-green",
    "unknown": "text",
}

STATES = {number: (state, COLOURS[state]) for number, state in enumerate(SHOWN_STATES, 1)}
"""Number, word and colour of each state that is shown of a runner."""


def state_number(matcher: str) -> str:
    """The number in STATES of what each runner is shown as."""
    terms = [f"{number} * {of('matins_runner_state', matcher, state=word)}" for number, (word, _) in STATES.items()]
    return f"max by (runner) ({' or '.join(terms)})"
