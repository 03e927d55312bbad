"""Says whether any attempt started twice, overlapped another of its episode, or vanished. It reads the runners' ledgers
and never the orchestrator's database: what the orchestrator believes is what is being tested.

When does an attempt live? From its `started` until there is *proof* in its own ledger that it cannot be running:
`ended`, `found-dead`, or any line of a later boot of that machine. Its process may have died earlier, but until the
proof is written nobody may start another attempt of the episode, so a start before the proof counts as an overlap even
where luck made it harmless. A `found-dead` that a sign of life follows is a violation of its own, so that proof cannot
be had for nothing. What a machine that an operator declared dead does is the operator's word against the ledger: such
attempts are named in `declared_dead`, and overlap with nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from tests.chaos.ledger import BEGINNINGS, Line, Malformed, before, history, parse

KINDS = {
    "malformed-line": "a ledger has a line that cannot be read",
    "started-twice": "one attempt was begun by two processes",
    "overlap": "two attempts of an episode lived at once, or one began before the other was proven over",
    "fence": "a fence did not rise from attempt to attempt",
    "identity": "an attempt changed its episode or its fence",
    "unasked-start": "a supervisor began that no launch had been accepted for",
    "started-after-burial": "an attempt was accepted or begun after its tombstone was set",
    "rose-from-the-dead": "an attempt that was proven dead gave a sign of life",
    "acknowledged-early": "an attempt was acknowledged before it was over",
    "vanished": "an attempt was accepted or begun, and nothing says what became of it",
    "lost-submission": "an episode was acknowledged to its submitter, and neither a ledger nor a reason explains it",
}
PROOFS = ("ended", "found-dead")
OVER = (*PROOFS, "buried")
VOUCHED = ("exited", "dead", "cancelled")
"""Phases in which a runner may be told to forget an attempt. A supervisor that is killed between its exit record and
its `ended` leaves no such line: then the runner's word at the acknowledgement is what there is, and no sign of life
may follow it."""


@dataclass(frozen=True, kw_only=True)
class Violation:
    """`sentence` says what happened to what; `lines` are the lines that show it."""

    kind: str
    sentence: str
    lines: tuple[Line, ...] = ()

    def __str__(self) -> str:
        shown = history(self.lines)
        return f"{self.kind}: {self.sentence}" + (f"\n{shown}" if shown else "")


@dataclass(frozen=True, kw_only=True)
class Account:
    """What the API says of an episode whose id it had given to a submitter."""

    phase: str
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Life:
    """One supervisor's time: from `begin` to the line that proves it over; None where nothing does."""

    begin: Line
    end: Line | None


def check(
    ledgers: Mapping[str, str],
    *,
    alive: frozenset[str] = frozenset(),
    declared_dead: frozenset[str] = frozenset(),
    submitted: Mapping[str, Account] | None = None,
) -> list[Violation]:
    """Every violation in the ledgers (runner → text). `alive`: attempts that still run as the ledgers are read."""
    lines: list[Line] = []
    malformed: list[Malformed] = []
    for runner, text in sorted(ledgers.items()):
        good, bad = parse(runner, text)
        lines += good
        malformed += bad
    found = [
        Violation(kind="malformed-line", sentence=f"line {bad.number} of {bad.runner}: {bad.problem}: {bad.text!r}")
        for bad in malformed
    ]
    boots = _boots(lines)
    by_episode = _grouped(lines, "episode_id")
    for attempt, told in _grouped(lines, "attempt_id").items():
        found += _of_attempt(attempt, told, boots, attempt in alive)
    for episode, told in by_episode.items():
        found += _fences(episode, told)
        found += _overlaps(episode, told, boots, declared_dead)
    return found + list(_lost(by_episode, submitted or {}))


def _of_attempt(
    attempt: str, told: Sequence[Line], boots: Mapping[str, list[Line]], alive: bool
) -> Iterator[Violation]:
    """What one attempt's own lines show. They may come from several runners; each rule says whether it minds."""
    for kind in BEGINNINGS:
        begun = {line.process: line for line in reversed(told) if line.event == kind}
        if len(begun) > 1:
            pids = ", ".join(str(line.pid) for line in begun.values())
            yield Violation(
                kind="started-twice",
                sentence=f"attempt {attempt} was {kind} by {len(begun)} processes ({pids})",
                lines=_all(told),
            )
    if len({(line.episode_id, line.fence) for line in told if line.event != "refused"}) > 1:
        yield Violation(
            kind="identity", sentence=f"attempt {attempt} has more than one episode or fence", lines=_all(told)
        )
    for runner, here in _grouped(told, "runner").items():
        yield from _on_runner(attempt, runner, here, boots, alive)


def _on_runner(
    attempt: str, runner: str, told: Sequence[Line], boots: Mapping[str, list[Line]], alive: bool
) -> Iterator[Violation]:
    seen: set[str] = set()
    for line in told:
        if line.event in BEGINNINGS and "accepted" not in seen:
            yield Violation(
                kind="unasked-start",
                sentence=f"attempt {attempt} was {line.event} on {runner} unasked",
                lines=_all(told),
            )
        if line.event in ("accepted", *BEGINNINGS) and "buried" in seen:
            yield Violation(
                kind="started-after-burial",
                sentence=f"attempt {attempt} was {line.event} on {runner} after its tombstone",
                lines=_all(told),
            )
        if line.event in (*BEGINNINGS, "ended") and "found-dead" in seen:
            yield Violation(
                kind="rose-from-the-dead",
                sentence=f"attempt {attempt} was found dead on {runner}, then it {line.event}",
                lines=_all(told),
            )
        over = seen.intersection(OVER) or line.phase in VOUCHED or _rebooted(told, line, boots)
        early = line.event == "acknowledged" and not over
        if early or (line.event in (*BEGINNINGS, "ended") and "acknowledged" in seen):
            yield Violation(
                kind="acknowledged-early",
                sentence=f"attempt {attempt} was acknowledged on {runner} before it was over",
                lines=_all(told),
            )
        seen.add(line.event)
    if not alive and _unexplained(told, seen, boots):
        yield Violation(
            kind="vanished", sentence=f"nothing says what became of attempt {attempt} on {runner}", lines=_all(told)
        )


def _unexplained(told: Sequence[Line], seen: set[str], boots: Mapping[str, list[Line]]) -> bool:
    lives = _lives(told, boots)
    if lives:
        return lives[-1].end is None
    return "accepted" in seen and not seen.intersection(OVER)


def _rebooted(told: Sequence[Line], by: Line, boots: Mapping[str, list[Line]]) -> bool:
    lives = _lives(told, boots)
    return bool(lives) and lives[-1].end is not None and lives[-1].end.number <= by.number


def _lives(told: Sequence[Line], boots: Mapping[str, list[Line]]) -> list[Life]:
    """The lives of one attempt on one runner, in the order of the ledger."""
    begun = list({line.process: line for line in reversed(told) if line.event in BEGINNINGS}.values())
    return [Life(begin=begin, end=_end(begin, told, boots)) for begin in sorted(begun, key=lambda line: line.number)]


def _end(begin: Line, told: Sequence[Line], boots: Mapping[str, list[Line]]) -> Line | None:
    """The first line after `begin` that proves its process over: its own end, its death, the runner's word as it was
    acknowledged, or another boot."""
    later = [line for line in told if line.number > begin.number]
    proofs = [line for line in later if line.event in PROOFS or line.phase in VOUCHED]
    reboots = [line for line in boots[begin.runner] if line.number > begin.number and line.boot_id != begin.boot_id]
    return min([*proofs, *reboots], key=lambda line: line.number, default=None)


def _boots(lines: Sequence[Line]) -> dict[str, list[Line]]:
    """Per runner, the first line of each boot."""
    firsts: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        if not firsts[line.runner] or firsts[line.runner][-1].boot_id != line.boot_id:
            firsts[line.runner].append(line)
    return firsts


def _overlaps(
    episode: str, told: Sequence[Line], boots: Mapping[str, list[Line]], declared_dead: frozenset[str]
) -> Iterator[Violation]:
    lives = [
        life
        for attempt, lines in _grouped(told, "attempt_id").items()
        if attempt not in declared_dead
        for here in _grouped(lines, "runner").values()
        for life in _lives(here, boots)
    ]
    for one, other in combinations(lives, 2):
        if _may_live(one, other.begin) and _may_live(other, one.begin):
            who = " and ".join(f"{life.begin.attempt_id} on {life.begin.runner}" for life in (one, other))
            shown = [line for life in (one, other) for line in (life.begin, life.end) if line is not None]
            yield Violation(
                kind="overlap", sentence=f"episode {episode}: the attempts {who} overlap", lines=_all(shown)
            )


def _may_live(life: Life, moment: Line) -> bool:
    return life.end is None or before(moment, life.end)


def _fences(episode: str, told: Sequence[Line]) -> Iterator[Violation]:
    holders: dict[int, set[str]] = defaultdict(set)
    for line in told:
        if line.event != "refused":
            holders[line.fence].add(line.attempt_id)
    for fence, attempts in holders.items():
        if len(attempts) > 1:
            shown = [line for line in told if line.fence == fence]
            who = " and ".join(sorted(attempts))
            yield Violation(kind="fence", sentence=f"episode {episode}: {who} share fence {fence}", lines=_all(shown))
    for here in _grouped(told, "runner").values():
        highest: Line | None = None
        for line in here:
            if line.event not in ("accepted", "buried", "started"):
                continue
            if highest is not None and line.fence < highest.fence and line.event != "started":
                sentence = (
                    f"episode {episode}: {line.runner} {line.event} fence {line.fence} after fence {highest.fence}"
                )
                yield Violation(kind="fence", sentence=sentence, lines=(highest, line))
            if highest is None or line.fence > highest.fence:
                highest = line
    starts = [line for line in told if line.event == "started"]
    for one, other in combinations(starts, 2):
        older, newer = sorted((one, other), key=lambda line: line.fence)
        if older.fence < newer.fence and before(newer, older):
            sentence = f"episode {episode}: fence {older.fence} started after fence {newer.fence} had started"
            yield Violation(kind="fence", sentence=sentence, lines=(newer, older))


def _lost(by_episode: Mapping[str, list[Line]], submitted: Mapping[str, Account]) -> Iterator[Violation]:
    """Every acknowledged id is in a ledger, or was ended with a reason before a runner ever saw it. A verdict cannot
    come from nowhere: DONE without an attempt that ended is no explanation."""
    for episode, account in submitted.items():
        told = by_episode.get(episode, [])
        if account.phase == "DONE" and not any(line.event == "ended" or line.phase == "exited" for line in told):
            sentence = f"episode {episode} is DONE, and no runner ever ended an attempt of it"
        elif not told and (account.phase not in ("CANCELLED", "FAILED", "DONE") or not account.reason):
            sentence = f"episode {episode} is {account.phase or 'unknown'}, and no runner ever heard of it"
        else:
            continue
        yield Violation(kind="lost-submission", sentence=sentence, lines=_all(told))


def _all(lines: Iterable[Line]) -> tuple[Line, ...]:
    return tuple(sorted(lines, key=lambda line: (line.runner, line.number)))


def _grouped(lines: Iterable[Line], key: str) -> dict[str, list[Line]]:
    groups: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        groups[getattr(line, key)].append(line)
    return groups
