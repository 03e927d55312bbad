"""A bare mirror of the operator's repository, kept in the runner's home so that a second episode fetches little.

Fetched outside the sandbox: it is the operator's repository, and needs the operator's network and credentials. Or it is
brought by the orchestrator (`bundles`), and the runner needs neither.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from runner_agent import locks, retention
from runner_agent.control import Control, InfrastructureFault
from runner_agent.git import FETCH_ENV, command, full_hash
from runner_agent.process import Outcome, Seam, Streams


def ensure(
    *,
    seam: Seam,
    control: Control,
    mirror: Path,
    url: str,
    commit: str,
    log: Path,
    limit_s: float,
    log_bytes: int,
    deliver: Literal["fetch", "push"],
) -> None:
    """Brings `commit` into the mirror, or with "push" sees that it was brought. Raises InfrastructureFault where it
    cannot be had."""
    full_hash(commit)
    streams = Streams(stdout=log, limit_bytes=log_bytes)

    def run(*arguments: str) -> Outcome:
        return seam.trusted(command(*arguments), FETCH_ENV, streams, limit_s)

    inside = ("-C", str(mirror))

    def has_commit() -> Outcome:
        return run(*inside, "rev-parse", "--quiet", "--verify", "--end-of-options", f"{commit}^{{commit}}")

    with locks.held(mirror.with_suffix(".lock"), check=control.check):
        if not (mirror / "config").exists():
            for words in making(mirror):
                _must(run(*words), f"no mirror could be made at {mirror}", log)
        retention.touch_used(mirror)
        if has_commit().ok:
            return
        if deliver == "push":
            raise InfrastructureFault(
                f"commit {commit} of {url} was brought to this runner and is not here any more, since its mirror was "
                "removed; the next attempt brings it again"
            )
        refs = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
        fetched = run(*inside, "fetch", "--quiet", "--prune", "--no-tags", "--end-of-options", url, *refs)
        if fetched.ok and has_commit().ok:
            return
        _must(fetched, f"{url} could not be fetched", log)
        # A commit that no branch names any more can still be asked for by hash.
        by_hash = run(*inside, "fetch", "--quiet", "--no-tags", "--end-of-options", url, commit)
        _must(by_hash, f"commit {commit} is not in {url}", log)


def making(mirror: Path) -> tuple[tuple[str, ...], ...]:
    """What git has to be told to make one. A sandbox fetches one commit by its hash, and nothing of what came after."""
    allow = ("-C", str(mirror), "config", "uploadpack.allowAnySHA1InWant", "true")
    return (("init", "--quiet", "--bare", "--", str(mirror)), allow)


def _must(outcome: Outcome, what: str, log: Path) -> None:
    if not outcome.ok:
        tail = log.read_bytes()[-400:].decode(errors="replace").strip()
        raise InfrastructureFault(f"{what}: {outcome.detail}; git said: {tail}")
