"""A report of costs as text."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.cli.answers import read
from orchestrator.cli.cost import Report, show

ANSWER: dict[str, Any] = {
    "by": "agent",
    "since": "2026-11-01",
    "until": "2026-11-21",
    "usd": 12.5,
    "signals": 4,
    "episodes": 5,
    "usd_per_signal": 3.125,
    "says": "12.50 USD for 4 signals: 3.1250 USD per signal",
    "unsettled": 1,
    "parts": [
        {"kind": "hardware", "label": "configured", "usd": 5.0, "seconds": 36000.0, "joules": 0.0},
        {"kind": "energy", "label": "measured", "usd": 1.5, "seconds": 0.0, "joules": 18.0e6},
        {"kind": "energy", "label": "estimated", "usd": 0.5, "seconds": 0.0, "joules": 6.0e6},
        {"kind": "idle", "label": "configured", "usd": 2.0, "seconds": 7200.0, "joules": 1.8e6},
        {"kind": "wake", "label": "configured", "usd": 0.5, "seconds": 90.0, "joules": 9000.0},
        {"kind": "tokens", "label": "measured", "usd": 3.0, "seconds": 0.0, "joules": 0.0},
    ],
    "phases": [
        {"phase": "gpu", "usd": 4.0, "joules": 2.0e7, "labels": {"configured": 2.5, "measured": 1.5}},
        {"phase": "tokens", "usd": 3.0, "joules": 0.0, "labels": {"measured": 3.0}},
        {"phase": "idle", "usd": 2.0, "joules": 1.8e6, "labels": {"configured": 2.0}},
    ],
    "went": {"signals": 7.0, "unfinished": 0.0, "waste": 2.5, "overhead": 1.0, "idle": 2.0},
    "waste": [
        {"reason": "marker-missing", "usd": 2.0, "says": "A line that the smoke test must print never appeared."},
        {"reason": "wake-failed", "usd": 0.5, "says": "A machine was woken in vain."},
    ],
    "groups": [
        {
            "name": "replay:finisher",
            "usd": 10.0,
            "signals": 4,
            "usd_per_signal": 2.5,
            "waste_usd": 2.0,
            "kinds": {"hardware": 5.0, "energy": 2.0, "tokens": 3.0},
        },
        {"name": "", "usd": 2.5, "signals": 0, "waste_usd": 0.5, "kinds": {"idle": 2.0, "wake": 0.5}},
    ],
    "wakes": {"ready": 3, "failed": 1},
    "tokens": {"prompt": 120000, "completion": 4000, "cached": 100000, "unpriced_turns": 2},
    "alternatives": [
        {"name": "always on", "usd": 14.0, "actual_usd": 12.5, "says": "No machine sleeps."},
        {"name": "serial phases", "usd": None, "actual_usd": 12.5, "says": "It is not known."},
    ],
}

SHOWN = """\
12.50 USD for 4 signals: 3.1250 USD per signal
from 2026-11-01 to 2026-11-21 (UTC, both days included)
Not all of it yet: 1 attempt not settled.

PART      LABEL          USD  SHARE  PER SIGNAL     KWH   HOURS
hardware  configured  5.0000   40 %      1.2500       -  10.000
energy    measured    1.5000   12 %      0.3750  5.0000       -
energy    estimated   0.5000    4 %      0.1250  1.6667       -
idle      configured  2.0000   16 %      0.5000  0.5000   2.000
wake      configured  0.5000    4 %      0.1250  0.0025   0.025
tokens    measured    3.0000   24 %      0.7500       -       -

PHASE      USD  SHARE  PER SIGNAL  LABELS
gpu     4.0000   32 %      1.0000  2.5000 configured, 1.5000 measured
tokens  3.0000   24 %      0.7500  measured
idle    2.0000   16 %      0.5000  configured

WENT TO                        USD  SHARE
episodes that gave a signal  7.0000   56 %
waste                        2.5000   20 %
preflights and canaries      1.0000    8 %
machines that nobody held    2.0000   16 %

WASTE              USD  WHY
marker-missing  2.0000  A line that the smoke test must print never appeared.
wake-failed     0.5000  A machine was woken in vain.

AGENT              USD  SIGNALS  PER SIGNAL  HARDWARE  ENERGY    IDLE    WAKE  TOKENS   WASTE
replay:finisher  10.00        4      2.5000    5.0000  2.0000       -       -  3.0000  2.0000
(no episode)    2.5000        0           -         -       -  2.0000  0.5000       -  0.5000

Wakes: 3 ready, 1 failed.
Tokens: 120,000 read (100,000 of them cached), 4,000 written.
No price is known of 2 turns: if they cost anything, it is in no figure here.
What would have been cheaper, from the same log:
  always on      14.00 USD, 1.5000 dearer. No machine sleeps.
  serial phases  It is not known.
"""


def shown(capsys: pytest.CaptureFixture[str], **changed: Any) -> str:
    show(read(Report, ANSWER | changed))
    return capsys.readouterr().out


def squeezed(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


def test_a_report_says_the_price_of_a_signal_first_and_labels_each_part(capsys: pytest.CaptureFixture[str]) -> None:
    assert squeezed(shown(capsys)) == squeezed(SHOWN)


def test_without_a_signal_nothing_is_per_signal(capsys: pytest.CaptureFixture[str]) -> None:
    says = "12.50 USD and no signal"
    out = shown(capsys, signals=0, usd_per_signal=None, says=says, groups=[])
    assert out.splitlines()[0] == says
    assert "hardware configured 5.0000 40 % - - 10.000" in squeezed(out)


def test_what_was_spent_on_nothing_has_no_table(capsys: pytest.CaptureFixture[str]) -> None:
    nothing = {"parts": [], "phases": [], "went": {}, "waste": [], "groups": [], "alternatives": [], "unsettled": 0}
    spent = {"wakes": {}, "tokens": {}, "usd": 0.0, "signals": 0, "says": "nothing was spent"}
    out = shown(capsys, **nothing, **spent, since=None, until=None)
    assert out.strip() == "nothing was spent"


def test_a_small_amount_is_not_shown_as_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    part = {"kind": "energy", "label": "estimated", "usd": 0.00001, "joules": 100.0}
    assert "energy estimated <0.0001 0 % <0.0001 <0.0001 -" in squeezed(shown(capsys, parts=[part]))


def test_machines_without_prices_are_told_how_they_get_some(capsys: pytest.CaptureFixture[str]) -> None:
    assert "have no prices: `matins runner add` takes --price-per-hour" in shown(capsys, usd=0.0, seconds=60.0)
    assert "no prices" not in shown(capsys, seconds=60.0)


def test_by_phase_the_phases_stand_once(capsys: pytest.CaptureFixture[str]) -> None:
    groups = [{"name": "gpu", "usd": 4.0, "kinds": {"hardware": 2.5, "energy": 1.5}}]
    heads = [line.split()[0] for line in shown(capsys, by="phase", groups=groups).splitlines() if line]
    assert heads.count("PHASE") == 1


def test_a_name_steers_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    out = shown(capsys, groups=[{"name": "x\x1b[2J", "usd": 1.0}])
    assert "\x1b" not in out
