"""The screen of `matins top`: what it shows, and that it fits."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from orchestrator.cli.answers import read
from orchestrator.cli.render.top import Overview, screen

AT = "2026-11-21T10:02:41.500Z"
WAKING = "gpu01 is waking, 41 s of an expected 65 s; it waits for its SSH port."
QUARANTINED = "gpu02 is QUARANTINED since 10:02: SSH up, no Vulkan device; `matins runner resume gpu02` readmits it."


def _runner(name: str, state: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "kind": "ssh", "state": state, "slots": {"agent": 2, "build": 1}, **more}


def _episode(number: int, phase: str, **more: Any) -> dict[str, Any]:
    base = {"id": f"{number:012x}", "campaign": "decode-50", "agent": "replay:finisher", "phase": phase}
    return base | {"submitted_at": "2026-11-21T10:00:41.000Z"} | more


def _fleet(**more: Any) -> dict[str, Any]:
    runners = [
        _runner("gpu01", "waking", why=WAKING),
        _runner("gpu02", "quarantined", why=QUARANTINED),
        _runner("gpu03", "busy", gpu="AMD Radeon RX 7900 XTX (RADV NAVI31)", running=["0" * 12]),
    ]
    started = {"runner": "gpu03", "started_at": "2026-11-21T10:01:41.000Z"}
    episodes = [_episode(0, "RUNNING", **started), _episode(1, "QUEUED"), _episode(2, "QUEUED")]
    base = {"at": AT, "runners": runners, "episodes": episodes, "counts": {"running": 1, "queued": 2}}
    return base | {"oldest_queued_at": "2026-11-21T10:00:41.000Z"} | more


def _shown(fleet: dict[str, Any], width: int | None, height: int | None = None, trouble: str = "") -> list[str]:
    out = io.StringIO()
    console = Console(file=out, width=width or 10_000, color_system=None, highlight=False)
    console.print(screen(read(Overview, fleet), width=width, height=height, trouble=trouble))
    return [line.rstrip() for line in out.getvalue().splitlines()]


def test_at_80_columns_it_reads_like_this() -> None:
    assert _shown(_fleet(), 80) == [
        "Matins  2026-11-21T10:02:41Z",
        "3 runners: 1 waking, 1 quarantined, 1 busy",
        "1 episode running, 2 queued, the oldest for 2 min",
        "",
        "RUNNER  STATE        EPISODES  WHY",
        "gpu01   waking            0/2  41 s of an expected 65 s; it waits for its SSH p…",
        "gpu02   quarantined       0/2  since 10:02: SSH up, no Vulkan device; `matins r…",
        "gpu03   busy              1/2",
        "",
        "EPISODE       AGENT                                       PHASE    RUNNER  SINCE",
        "000000000000  replay:finisher                             RUNNING  gpu03    60 s",
        "000000000001  replay:finisher                             QUEUED   -       2 min",
        "000000000002  replay:finisher                             QUEUED   -       2 min",
    ]


def test_at_120_columns_gpu_and_campaign_are_there_too() -> None:
    text = "\n".join(_shown(_fleet(), 120))
    assert "GPU" in text and "AMD Radeon RX" in text and "decode-50" in text


def test_what_is_piped_is_whole() -> None:
    text = "\n".join(_shown(_fleet(), None))
    assert (
        "41 s of an expected 65 s; it waits for its SSH port." in text
        and "AMD Radeon RX 7900 XTX (RADV NAVI31)" in text
    )


@pytest.mark.parametrize("width", [20, 40, 80, 99, 100, 120, 250])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    crowd = [_runner(f"a-very-long-name-{n}", "out of service", why="w" * 300, detail="d") for n in range(30)]
    episodes = [_episode(n, "COLLECTING", agent="a" * 200, runner="a-very-long-name-1") for n in range(40)]
    fleet = _fleet(runners=crowd, episodes=episodes, counts={"running": 40, "queued": 100_000})
    assert max(map(len, _shown(fleet, width, height=24))) <= width


@pytest.mark.parametrize("height", [12, 24, 50])
def test_it_says_how_many_more_there_are_than_fit(height: int) -> None:
    crowd = [_runner(f"gpu{n:03}", "asleep") for n in range(200)]
    episodes = [_episode(n, "QUEUED") for n in range(200)]
    lines = _shown(_fleet(runners=crowd, episodes=episodes, counts={"running": 0, "queued": 5000}), 80, height)
    assert len(lines) <= height
    told = [line for line in lines if line.startswith("… and")]
    shown = [sum(line.startswith(name) for line in lines) for name in ("gpu", "0000")]
    assert told == [f"… and {200 - shown[0]} runners more", f"… and {5000 - shown[1]} episodes more"]


def test_few_runners_leave_their_room_to_the_queue() -> None:
    episodes = [_episode(n, "QUEUED") for n in range(200)]
    lines = _shown(_fleet(episodes=episodes, counts={"running": 0, "queued": 200}), 80, 24)
    assert sum(line.startswith("0000") for line in lines) == 12


def test_what_is_shown_never_steers_the_terminal_and_is_no_markup() -> None:
    runner = _runner("gpu01", "idle", why="\x1b[2J[red]x[/red]\nnext")
    text = "\n".join(_shown(_fleet(runners=[runner]), 120))
    assert "\x1b" not in text and "\\x1b[2J[red]x[/red] next" in text


def test_an_orchestrator_that_went_away_is_said_to_be() -> None:
    lines = _shown(_fleet(), 80, trouble="No orchestrator answers at http://127.0.0.1:7437.")
    assert lines[3] == "No orchestrator answers at http://127.0.0.1:7437."


def test_an_empty_fleet_has_a_screen() -> None:
    fleet = {"at": AT, "runners": [], "episodes": [], "counts": {"running": 0, "queued": 0}}
    assert _shown(fleet, 80)[1:3] == ["0 runners: none", "0 episodes running, 0 queued"]
