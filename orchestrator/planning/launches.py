"""Which device each launch is for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TypeVar

from orchestrator.domain.actions import Action, BeginLaunch
from orchestrator.domain.fleet import FleetState
from orchestrator.planning.devices import choose_device, running_on
from orchestrator.planning.slots import room

A = TypeVar("A", bound=Action)


def on_devices(fleet: FleetState, actions: Iterable[A]) -> Iterator[A]:
    """The actions, with a device for each launch; each counts for those after it."""
    load: dict[str, Counter[str]] = {}
    for action in actions:
        yield _on_device(fleet, action, load) if isinstance(action, BeginLaunch) else action


def _on_device(fleet: FleetState, action: BeginLaunch, load: dict[str, Counter[str]]) -> BeginLaunch:
    runner = fleet.runner[action.runner]
    held = fleet.leases.get(runner.name, ())
    episode = next(episode for episode in held if episode.id == action.episode_id)
    used = load.setdefault(runner.name, Counter(running_on(fleet, runner.name).values()))
    campaign, full = fleet.campaign[episode.campaign_id], room(fleet, runner).full
    gpu = episode.pinned_gpu or choose_device(runner, campaign, used, full)
    used[gpu] += 1
    return replace(action, gpu=gpu)
