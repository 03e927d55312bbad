"""The example of docs/costs.md is settled as the page says."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.accounting.alternatives import alone, alternatives, machine
from orchestrator.accounting.report import Entry, report
from orchestrator.accounting.tokens import read_token_prices
from orchestrator.accounting.values import Hold, Line
from orchestrator.cli.runners import WATTS, pairs
from orchestrator.domain.runner import Prices
from tests.unit.accounting.ledger import Known, hold, lines, metered, span, waking

PAGE = (Path(__file__).parents[3] / "docs" / "costs.md").read_text(encoding="utf-8")
EXAMPLE = PAGE.split("\n## An example\n")[1]
ROUNDED = 0.6e-4


def table(head: str) -> list[list[str]]:
    """Its rows below the head that begins so."""
    found = re.search(rf"^\| {head}.*\n\|[-|]+\n((?:\|.*\n)+)", EXAMPLE, flags=re.M)
    assert found
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in found[1].splitlines()]


def prices() -> Prices:
    (command,) = re.findall(r"`(--price-per-hour .*?)`", EXAMPLE)
    words = shlex.split(command)
    given = dict(zip(words[::2], words[1::2], strict=True))
    watts = pairs(given["--watts"], "--watts", WATTS)
    return Prices(
        hardware_usd_per_h=float(given["--price-per-hour"]),
        energy_usd_per_kwh=float(given["--price-per-kwh"]),
        **{f"{name}_w": amount for name, amount in watts.items()},
    )


def happened() -> Iterator[Known]:
    for since, until, what in table("from"):
        start, end = (60.0 * int(clock.partition(":")[2]) + 3600 * (clock >= "11:00") for clock in (since, until))
        match what.split():
            case ["asleep"]:
                yield span("asleep", start, end)
            case ["awake"]:
                yield span("awake", start, end)
            case ["wake", "for", *episodes]:
                yield waking(*(each for each in episodes if each != "and"), start=start, end=end)
            case [("slot" | "build" | "gpu") as held, "of", episode]:
                yield hold(held, episode, start, end)
            case [counted, "kJ", "counted", *_]:
                yield metered(1000 * float(counted), start, end)
            case _:
                pytest.fail(f"the page says {what!r}, which is nothing that happens")


def test_the_example_is_settled_as_the_page_says() -> None:
    sums: defaultdict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0] * 4)
    for line in lines(*happened(), prices=prices()):
        sum_ = sums[line.charge.phase, line.charge.episode_id]
        sum_[0] += line.amount.seconds / 60
        sum_[1 if line.charge.label == "measured" else 2] += line.amount.joules / 1000
        sum_[3] += line.amount.usd
    told = {(phase, episode): [float(amount) for amount in amounts] for phase, episode, *amounts in table("phase")}
    assert told == {key: pytest.approx(amounts, abs=ROUNDED) for key, amounts in sums.items()}


def test_what_the_page_says_of_the_example_in_sum_is_so() -> None:
    said = [float(amount) for amount in re.findall(r"\d+\.\d+|\d+(?= minutes)", EXAMPLE.rpartition("\n\n")[2])]
    known = tuple(happened())
    found = lines(*known, prices=prices())
    ended = {"a": "completed", "b": "marker-missing"}
    tokens = Entry(
        group="", phase="tokens", kind="tokens", label="measured", ended="completed", purpose="episode", usd=0.25
    )
    told = report([*(entry(line, ended) for line in found), tokens], by="day", signals=1, group_signals={"": 1})
    held = alone(each for each in known if isinstance(each, Hold))
    always, serial = alternatives([machine(found, prices(), held)], told.usd, 1)
    whole = told.usd - 0.25
    energy = told.joules / 3.6e6 * prices().energy_usd_per_kwh
    assert said == pytest.approx(
        [
            whole,
            told.seconds / 60,
            whole - energy,
            told.joules / 1000,
            energy,
            0.25,
            told.went["waste"],
            told.usd_per_signal,
            always.usd,
            serial.usd,
        ],
        abs=ROUNDED,
    )


def test_the_prices_of_tokens_on_the_page_can_be_set_so() -> None:
    (example,) = re.findall(r"^```toml\n(.*?)^```", PAGE, flags=re.M | re.S)
    assert [*read_token_prices(tomllib.loads(example)["token_prices"])] == ["claude-*"]


def entry(line: Line, ended: dict[str, str]) -> Entry:
    episode = line.charge.episode_id
    return Entry(
        group="",
        phase=line.charge.phase,
        kind=line.charge.kind,
        label=line.charge.label,
        reason=line.charge.reason,
        ended=ended.get(episode, ""),
        purpose="episode" if episode else "",
        **vars(line.amount),
    )
