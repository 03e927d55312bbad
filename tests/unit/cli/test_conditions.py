"""The conditions of a measurement as text."""

from __future__ import annotations

from typing import Any

from orchestrator.cli.answers import Episode, read
from orchestrator.cli.render.episode import details

HELD: dict[str, Any] = {
    "samples": 80,
    "unseen": 0,
    "sources": ["proc", "amdgpu"],
    "device": "card1",
    "sm_mhz": {"least": 2400.0, "median": 2482.4, "most": 2500.0},
    "power_w": {"least": 250.0, "median": 301.0, "most": 339.0},
    "temperature_c": {"least": 60.0, "median": 71.0, "most": 75.0},
    "cpu_mhz": None,
    "load_1m": {"least": 0.5, "median": 1.25, "most": 2.0},
    "throttled_s": 3.0,
    "limited_s": 12.0,
    "tenants": ["812 Xorg"],
    "discarded": [{"round": 2, "side": "candidate", "why": "throttled in 3 of 10 samples (thermal)"}],
}


def shown(conditions: dict[str, Any] | None) -> list[str]:
    throughput = {"baseline": 19.0, "candidate": 50.0, "verdict": "faster"}
    verdict = {"throughput": throughput, "conditions": conditions}
    answer = {"id": "a1", "campaign": "decode", "phase": "DONE", "verdict": verdict}
    lines = list(details(read(Episode, answer)))
    return lines[lines.index("  verdict  faster") + 1 :]


def test_an_episode_shows_what_held_while_it_was_measured() -> None:
    assert shown(HELD) == [
        (
            "  held     card1: clock 2482 [2400, 2500] MHz, power 301 [250, 339] W, temperature 71 [60, 75] °C, "
            "load 1.2 [0.5, 2.0], throttled 3 s, 12 s at its limit (80 samples)"
        ),
        "  beside   812 Xorg",
        "  void     round 2, candidate: throttled in 3 of 10 samples (thermal)",
    ]


def test_an_episode_shows_how_it_was_kept_apart() -> None:
    shared = {"isolation": "shared", "cores": [3], "made_room": ["a-2"], "did_not": [], "beside": [], "sharing": []}
    quiet = {"isolation": "quiet", "cores": [3, 7], "made_room": ["a-2", "a-3"], "did_not": ["a-4"], "beside": ["a-5"]}
    nobody = {"isolation": "shared", "cores": []}
    assert [shown({"samples": 1, "apart": apart})[1] for apart in (shared, quiet, nobody)] == [
        "  apart    shared: core 3 to itself; 1 other attempt made room",
        (
            "  apart    quiet: cores 3, 7 to itself; 2 other attempts were frozen; not so a-4; "
            "beside the measurement of a-5"
        ),
        "  apart    shared: any core",
    ]


def test_what_a_machine_does_not_tell_is_not_shown() -> None:
    load = {"samples": 1, "load_1m": {"least": 0.5, "median": 0.5, "most": 0.5}}
    assert shown(load) == ["  held     load 0.5 [0.5, 0.5] (1 sample)"]
    assert shown({"samples": 0}) == []
    assert shown(None) == []
