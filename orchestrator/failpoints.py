"""Named places where a process of the orchestrator can be made to die or to freeze, so that tests can prove that it
does not matter. Off unless the setting `failpoints` names one: `reach` then costs one look at an empty dictionary."""

from __future__ import annotations

import signal
import threading
from collections.abc import Mapping
from dataclasses import dataclass

POINTS: Mapping[str, str] = {
    "intake-after-commit": "the rows of a submission are committed, and nobody was rung",
    "intake-before-answer": "a submission is committed and rung for; its sender has no answer",
    "tick-before-commit": "an action was planned, and is not written",
    "tick-after-commit": "an action is written with its outbox row, and nobody was rung for the act",
    "act-claimed": "an act is claimed in the database, and nothing was done",
    "act-launch-before-call": "the attempt is committed as launching; the runner knows nothing",
    "act-launch-after-call": "the runner has started the attempt; the database knows nothing",
    "act-launch-after-commit": "the start is recorded; the act is not marked done",
    "act-checks-before-call": "the hidden checks are due, and were not sent",
    "act-checks-after-call": "the runner has the hidden checks; the database knows nothing",
    "act-checks-after-commit": "the runner's answer is recorded; the act is not marked done",
    "act-cancel-before-call": "a cancel is due, and the runner knows nothing",
    "act-cancel-after-call": "the runner was told to cancel; the database knows nothing",
    "act-cancel-after-commit": "the runner's answer is recorded; the act is not marked done",
    "act-collect-before-call": "artifacts are due, and nothing was pulled",
    "collect-mid-pull": "some bytes of an attempt have arrived, and more are on their way",
    "collect-before-rename": "every file arrived, was verified and synced, and the folder has not its name yet",
    "act-collect-after-call": "the folder is in its place; the database knows nothing",
    "act-collect-after-commit": "the episode is to be scored; the act is not marked done",
    "act-score-before-call": "the folder is complete, and was not judged",
    "act-score-after-call": "the verdict and what is derived are written; the database knows nothing",
    "act-score-after-commit": "the episode has ended; the act is not marked done",
    "act-salvage-before-call": "an attempt that failed left its logs on the runner, and nothing was pulled",
    "act-salvage-after-call": "what it left is here; the database knows nothing",
    "act-salvage-after-commit": "the runner may delete it; the act is not marked done",
    "act-acknowledge-before-call": "the result is committed; the runner still keeps its copy",
    "act-acknowledge-after-call": "the runner has deleted its copy; the database knows nothing",
    "act-acknowledge-after-commit": "the acknowledgement is recorded; the act is not marked done",
    "act-wake-before-look": "a wake is committed, and no packet was sent in this slice of it",
    "act-wake-after-look": "packets were sent and stages seen; the database knows nothing",
    "act-wake-after-commit": "how far a wake came is recorded, and nobody was rung to go on",
    "act-suspend-before-call": "a machine is to sleep, and knows nothing",
    "act-suspend-after-call": "the machine goes to sleep; the database knows nothing",
    "act-suspend-after-commit": "the machine's answer is recorded and the act done, and no tick was rung",
    "act-done": "an act is marked done, and no tick was rung",
    "observe-before-record": "a runner has reported; nothing of it is recorded",
    "observe-after-record": "a report is recorded, and no tick was rung",
}
SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}
HITS_MAX = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is to happen at a point: `action` at the `hit`-th time (from 1) that the process comes there."""

    action: str
    hit: int = 1


def parse(text: str) -> dict[str, Order]:
    """`name=kill` or `name=stop:3`, separated by commas. Raises ValueError that says what is wrong."""
    orders: dict[str, Order] = {}
    for part in filter(None, (each.strip() for each in text.split(","))):
        name, equals, rest = part.partition("=")
        action, colon, hit = rest.partition(":")
        if name not in POINTS:
            raise ValueError(f"there is no failpoint {name!r}; there are {', '.join(POINTS)}")
        if not equals or action not in SIGNALS:
            raise ValueError(f"failpoint {name} should be followed by =kill or =stop, not by {rest!r}")
        if colon and not (hit.isascii() and hit.isdigit() and 1 <= int(hit) <= HITS_MAX):
            raise ValueError(f"failpoint {name}: {hit!r} should be a number from 1 to {HITS_MAX}")
        if name in orders:
            raise ValueError(f"failpoint {name} is named twice")
        orders[name] = Order(action=action, hit=int(hit) if colon else 1)
    return orders


_armed: dict[str, Order] = {}
_hits: dict[str, int] = {}
_lock = threading.Lock()


def arm(text: str) -> None:
    """Sets the points of this process, once, as it starts. Raises ValueError."""
    _armed.update(parse(text))


def reach(name: str) -> None:
    """This process has come to the point `name`: it ends or stops here if that was asked for, once per process."""
    if _armed and name in _armed and _is_due(name):
        # To this thread: one sent to the process may be taken by another, and this one would go on a little.
        signal.pthread_kill(threading.get_ident(), SIGNALS[_armed[name].action])


def _is_due(name: str) -> bool:
    with _lock:
        _hits[name] = _hits.get(name, 0) + 1
        return _hits[name] == _armed[name].hit
