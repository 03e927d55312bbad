"""What accounting is made of: what a machine was, who held it, what it drew, and the lines of the ledger. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Draw = Literal["awake", "asleep", "away", "off"]
"""How a machine draws power. "away": nobody knows whether it runs; "off": retired, it costs nothing any more."""

Label = Literal["measured", "estimated", "configured"]
"""Where a figure is from: an instrument or a count; an inference where neither spoke; what an operator set."""

Kind = Literal["hardware", "energy", "idle", "wake", "tokens"]
"""What money went to. "hardware" and "energy" are those of machines that somebody held; of machines that nobody held,
or that were waking, both are "idle" or "wake"."""

Held = Literal["gpu", "build", "slot"]
"""What an attempt held, the scarcest first: a device's gate, a build slot, an agent slot."""

PHASES = ("gpu", "build", "wake", "failed-wake", "idle", "asleep", "away", "tokens")
"""Of a ledger line, beside the names of stages: whoever held an agent slot alone was in one of them, or in "slot"."""


@dataclass(frozen=True, kw_only=True)
class Span:
    """A machine was shown as `state` and drew as `draw`, from `start` to `end`."""

    state: str
    draw: Draw
    start: datetime
    end: datetime


@dataclass(frozen=True, kw_only=True)
class Hold:
    """An attempt held something of a machine from `start` to `end`. `device`: of a gate, its name, empty where a
    machine has one only. `phase`: of a slot, the stage that it was in."""

    what: Held
    episode_id: str
    attempt_id: str
    start: datetime
    end: datetime
    device: str = ""
    phase: str = ""


@dataclass(frozen=True, kw_only=True)
class Waking:
    """A wake that has ended. `episodes`: those it was for; none are charged where it failed."""

    start: datetime
    end: datetime
    ready: bool
    episodes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Metered:
    """Instruments counted `joules` from `start` to `end`. `whole`: of the whole machine, as a smart plug does; else of
    its devices and processor packages only."""

    start: datetime
    end: datetime
    joules: float
    whole: bool = False


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """All that is known of one machine from `start` to `end`. `gates`: how many devices it has a gate for."""

    runner: str
    start: datetime
    end: datetime
    gates: int = 1
    spans: tuple[Span, ...] = ()
    holds: tuple[Hold, ...] = ()
    wakes: tuple[Waking, ...] = ()
    metered: tuple[Metered, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Charge:
    """Who is charged, and for what. Ids are empty where no episode is; `reason`: of what is waste whoever held the
    machine, such as a failed wake."""

    phase: str
    kind: Kind
    label: Label
    episode_id: str = ""
    attempt_id: str = ""
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Amount:
    """USD, joules, and seconds of one machine's time. A line of energy has no seconds, one of hardware no joules."""

    usd: float = 0.0
    joules: float = 0.0
    seconds: float = 0.0

    def __add__(self, other: Amount) -> Amount:
        return Amount(usd=self.usd + other.usd, joules=self.joules + other.joules, seconds=self.seconds + other.seconds)


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of the ledger. `day`: YYYY-MM-DD, UTC."""

    day: str
    runner: str
    charge: Charge
    amount: Amount = field(default_factory=Amount)
