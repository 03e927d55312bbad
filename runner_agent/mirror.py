"""A bare mirror of the operator's repository, kept in the runner's home so that a second episode fetches little.

Fetched outside the sandbox: it is the operator's repository, and needs the operator's network and credentials.
"""

from __future__ import annotations

from pathlib import Path

from runner_agent import locks, retention
from runner_agent.control import Control, InfrastructureFault
from runner_agent.git import FETCH_ENV, command, full_hash
from runner_agent.process import Outcome, Seam, Streams


def ensure(
    *, seam: Seam, control: Control, mirror: Path, url: str, commit: str, log: Path, limit_s: float, log_bytes: int
) -> None:
    """Brings `commit` into the mirror. Raises InfrastructureFault where the repository cannot be had."""
    full_hash(commit)
    streams = Streams(stdout=log, limit_bytes=log_bytes)

    def run(*arguments: str) -> Outcome:
        return seam.trusted(command(*arguments), FETCH_ENV, streams, limit_s)

    inside = ("-C", str(mirror))

    def has_commit() -> Outcome:
        return run(*inside, "rev-parse", "--quiet", "--verify", "--end-of-options", f"{commit}^{{commit}}")

    with locks.held(mirror.with_suffix(".lock"), check=control.check):
        if not (mirror / "config").exists():
            _must(run("init", "--quiet", "--bare", "--", str(mirror)), f"no mirror could be made at {mirror}", log)
            # A sandbox fetches one commit by its hash, and nothing of what came after it.
            run(*inside, "config", "uploadpack.allowAnySHA1InWant", "true")
        retention.touch_used(mirror)
        if has_commit().ok:
            return
        refs = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
        fetched = run(*inside, "fetch", "--quiet", "--prune", "--no-tags", "--end-of-options", url, *refs)
        if fetched.ok and has_commit().ok:
            return
        _must(fetched, f"{url} could not be fetched", log)
        # A commit that no branch names any more can still be asked for by hash.
        by_hash = run(*inside, "fetch", "--quiet", "--no-tags", "--end-of-options", url, commit)
        _must(by_hash, f"commit {commit} is not in {url}", log)


def _must(outcome: Outcome, what: str, log: Path) -> None:
    if not outcome.ok:
        tail = log.read_bytes()[-400:].decode(errors="replace").strip()
        raise InfrastructureFault(f"{what}: {outcome.detail}; git said: {tail}")
