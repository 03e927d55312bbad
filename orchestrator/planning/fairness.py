"""In which order queued episodes get their turn: canaries and preflights, priority, fair share among submitters.

Within one priority the k-th episode in line of a submitter who holds n slots stands where its (n + k)-th slot would:
whoever holds least goes first, as in start-time fair queueing (Goyal, Vin, Cheng 1996) with every episode of weight
one. Among those who hold the same, whoever was served longest ago does: with one slot they alternate. Strict priority
alone would starve whatever is below a steady stream, so a waiting episode rises by one priority each `AGEING`: what is
n priorities above goes first only if it was submitted less than n + 1 times that later.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import chain
from types import MappingProxyType

from orchestrator.domain.episode import Episode, EpisodeKind
from orchestrator.domain.fleet import FleetState
from orchestrator.domain.phases import LEASED

AGEING = timedelta(hours=6)
NEVER = datetime.min.replace(tzinfo=UTC)
NOBODY: Mapping[str, datetime] = MappingProxyType({})
KINDS = (EpisodeKind.CANARY, EpisodeKind.PREFLIGHT, EpisodeKind.EPISODE)


def in_turn(
    queued: Iterable[Episode],
    held: Mapping[str, int],
    now: datetime,
    served: Mapping[str, datetime] = NOBODY,
) -> list[Episode]:
    """`held`: the slots that each submitter holds already, `served`: when an episode of each last began. The order of
    the input means nothing."""
    levels: dict[tuple[int, int], list[Episode]] = {}
    for episode in queued:
        levels.setdefault(_level(episode, now), []).append(episode)
    ordered: list[Episode] = []
    counted = dict(held)
    for level in sorted(levels):
        ordered += _shared(levels[level], counted, served)
        # What goes first at a higher level is held against its submitter at the lower ones.
        for episode in levels[level]:
            counted[episode.submitter] = counted.get(episode.submitter, 0) + 1
    return ordered


def in_line(fleet: FleetState, now: datetime) -> list[Episode]:
    """The fleet's queue in the order in which it gets its turn."""
    held = Counter(episode.submitter for episode in fleet.episodes if episode.phase in LEASED)
    return in_turn(fleet.queued, held, now, fleet.served)


def _level(episode: Episode, now: datetime) -> tuple[int, int]:
    """Canaries first, then preflights: others wait for them."""
    risen = max(0, (now - episode.submitted_at) // AGEING)
    return KINDS.index(episode.kind), -(episode.priority + risen)


def _shared(episodes: list[Episode], held: Mapping[str, int], served: Mapping[str, datetime]) -> Iterable[Episode]:
    lines: dict[str, list[Episode]] = {}
    for episode in episodes:
        lines.setdefault(episode.submitter, []).append(episode)
    for line in lines.values():
        line.sort(key=lambda episode: (episode.submitted_at, episode.id))
    turns: dict[int, list[Episode]] = {}
    for submitter, line in lines.items():
        for turn, episode in enumerate(line, start=held.get(submitter, 0)):
            turns.setdefault(turn, []).append(episode)
    for turn in turns.values():
        turn.sort(key=lambda episode: (served.get(episode.submitter, NEVER), episode.submitted_at, episode.id))
    return chain.from_iterable(turns[turn] for turn in sorted(turns))
