"""Named places where a process of the runner kills or stops itself, to show that any moment is a good one to die.

Off unless the operator's own account writes HOME/failpoints; nothing that a message says can do so. Each line is
`NAME kill|stop [K]`: at the K-th time (1 unless given) that any process of this home comes by, it sends itself SIGKILL
or SIGSTOP. A line that fires is gone before it does, so that it fires once.
"""

from __future__ import annotations

import signal
import threading

from runner_agent import files, locks
from runner_agent.home import Home

POINTS: dict[str, str] = {
    "launch-before-rename": "The attempt's folder is complete, but under another name: nothing has started yet.",
    "launch-after-rename": "The attempt counts as started, but has no supervisor yet.",
    "launch-after-detach": "The supervisor lives, and whoever launched it has not answered yet.",
    "supervisor-start": "The supervisor holds the attempt's lock, and has written nothing.",
    "supervisor-started": "The supervisor has said who it is, and begins its first stage.",
    "session-before-commit": "A session is over, its tree not yet committed.",
    "session-after-commit": "A session's tree is committed.",
    "awaiting-checks": "The hidden checks are awaited.",
    "grade-before-evidence": "Everything is judged, the evidence not yet written.",
    "pack-before-sums": "The episode's folder is complete but for its checksums.",
    "pack-after-sums": "The checksums are written.",
    "exit-before-record": "Only the exit record is missing.",
    "exit-after-record": "The exit record is in place, and the supervisor still lives.",
    "grade-before-resume": "Checks that came late are written down, and the exit record is in force still.",
    "grade-after-aside": "The ungraded exit record is laid aside, and no supervisor grades yet.",
    "acknowledge-before-mark": "The acknowledgement came, and is not yet written down.",
    "acknowledge-after-mark": "The acknowledgement is written down, and nothing is deleted yet.",
    "cancel-after-tombstone": "The tombstone of an attempt that never started is in place.",
    "pull-midway": "The first bytes of a pull are on their way.",
}

_SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}


def reach(home: Home, name: str) -> None:
    """Comes by the point `name`. Without a file of failpoints this costs one look for it."""
    if name not in POINTS:
        raise ValueError(f"{name} is no failpoint")
    if not home.failpoints.exists():
        return
    with locks.held(home.failpoints.with_name("failpoints.lock")):
        action, left = pass_by(files.read_text(home.failpoints), name)
        if left is not None:
            files.write_atomically(home.failpoints, left.encode())
    if action is not None:
        # To this thread: one sent to the process may be taken by another, and this one would go on a little.
        signal.pthread_kill(threading.get_ident(), action)


def pass_by(text: str, name: str) -> tuple[signal.Signals | None, str | None]:
    """What to send oneself now, or None; and the text as it is from then on, or None where it stays as it is."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        words = line.split()
        if len(words) not in (2, 3) or words[0] != name or words[1] not in _SIGNALS:
            continue
        count = int(words[2]) if len(words) == 3 else 1
        after = [] if count <= 1 else [f"{name} {words[1]} {count - 1}"]
        left = "".join(f"{each}\n" for each in (*lines[:number], *after, *lines[number + 1 :]))
        return (_SIGNALS[words[1]] if count <= 1 else None), left
    return None, None
