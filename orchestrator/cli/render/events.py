"""What happened to an episode, a line for each thing worth a line."""

from __future__ import annotations

from typing import Any

from orchestrator.cli.answers import Event
from orchestrator.cli.render import values

SLOW_STAGES = frozenset({"baseline", "session", "build", "lint", "test", "smoke"})
"""Stages whose beginning is worth a line of its own: someone waits for their end."""

MENDED = {
    "planted-left-out": "left out of the build",
    "tree-restored": "put back after the tests",
    "steering-taken-away": "kept from steering the next command",
}


def progress(event: Event) -> str | None:
    """The line for someone who follows the episode; None for what is of no interest while it runs."""
    data = event.data or {}
    if event.event.startswith("episode-"):
        return _joined(str(data.get("phase") or event.event.removeprefix("episode-")), _told(data, _WHY))
    match event.event:
        case "stage-started" if data.get("stage") in SLOW_STAGES:
            return f"{_stage(data)} …"
        case "stage-finished":
            return _joined(
                f"{_stage(data)} {_text(data.get('result'))}".strip(), _seconds(data), _text(data.get("detail"))
            )
        case "turn-finished":
            return _joined(
                f"session {data.get('session')} turn {data.get('turn')} {data.get('result')}", _seconds(data)
            )
        case "smoke-round" if not data.get("reused"):
            return _joined(f"smoke round {data.get('round')} {data.get('side')}", _rate(data))
        case "smoke-look" if data.get("change") is not None and not data.get("reused"):
            change, low, high = (_number(data.get(key)) for key in ("change", "low", "high"))
            interval = values.interval(change, low, high)
            return _joined(f"after {data.get('samples')} pairs", interval, _text(data.get("verdict")))
        case "gate-waited" if _number(data.get("seconds")) >= 1:
            behind = _number(data.get("behind"))
            return _joined(
                f"waited for the {data.get('gate')} gate",
                _seconds(data),
                f"behind {values.plural(int(behind), 'other')}" if behind else "",
            )
        case "smoke-reused":
            return _joined("measured before", f"episode {_text(data.get('from'))}", _text(data.get("measured_at")))
        case "planted-left-out" | "tree-restored" | "steering-taken-away":
            return _joined(f"{MENDED[event.event]}: {values.plural(int(_number(data.get('count'))), 'file')}")
        case "frozen":
            return _joined("frozen while another attempt was measured", _seconds(data))
        case "budget-spent":
            return _joined("no further turn", _text(data.get("why")))
        case "agent-gpu":
            left = f"{_number(data.get('left_s')):.1f} s left"
            held = f"{_number(data.get('held_s')):.1f} s"
            return _joined(f"the agent had the GPU for {_text(data.get('argv0'))}", held, left)
        case _:
            return None


def full(event: Event) -> str:
    """The line of a complete account: time, source, event and all of its data."""
    data = " ".join(f"{key}={_text(value)}" for key, value in (event.data or {}).items() if value not in (None, ""))
    return f"{values.time(event.at)}  {values.text(event.source):<12}  {event.event}  {data}".rstrip()


_WHY = ("runner", "reason", "detail")


def _told(data: dict[str, Any], names: tuple[str, ...]) -> str:
    return "  ".join(_text(data[name]) for name in names if data.get(name))


def _stage(data: dict[str, Any]) -> str:
    session = data.get("session")
    return f"{data.get('stage')} {session}" if session is not None else _text(data.get("stage"))


def _seconds(data: dict[str, Any]) -> str:
    seconds = data.get("seconds")
    return f"{seconds:.1f} s" if isinstance(seconds, (int, float)) else ""


def _rate(data: dict[str, Any]) -> str:
    tok_s = data.get("tok_s")
    return f"{tok_s:.1f} tok/s" if isinstance(tok_s, (int, float)) else f"exit {data.get('exit_code')}"


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _joined(*parts: str) -> str:
    return "  ".join(part for part in parts if part)
