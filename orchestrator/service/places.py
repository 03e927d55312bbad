"""Where the orchestrator keeps things under MATINS_HOME. Pure path rules."""

from __future__ import annotations

import hashlib
from pathlib import Path


def attempt_folder(home: Path, attempt_id: str) -> Path:
    """The artifacts of one attempt. Attempts are append-only, so a retried one keeps its own."""
    return home / "attempts" / attempt_id


def repository_mirror(home: Path, repo_url: str) -> Path:
    """The bare mirror of a repository whose commits are brought to runners."""
    return home / "mirrors" / f"{hashlib.sha256(repo_url.encode()).hexdigest()[:24]}.git"


def runner_home(home: Path, runner: str) -> Path:
    """The home of a runner that is this machine."""
    return home / "runners" / runner
