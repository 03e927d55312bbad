"""Brings a campaign's commit to a runner that cannot fetch it, over the link: the runner needs no credential for the
repository, and no way to it.

The orchestrator keeps a bare mirror of the repository in MATINS_HOME and sends the runner a bundle of what it lacks. A
sender that was cut off goes on where the runner's answer says.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Literal

from orchestrator.errors import BadInput, LinkError
from orchestrator.machines.link import Link
from orchestrator.service.places import repository_mirror
from orchestrator.service.repository import FULL_SHA, git
from runner_agent.protocol import BundleAnswer, BundleRequest

GIT_LIMIT_S = 1800.0
PIECE_BYTES = 16 * 1024 * 1024
BUNDLE = ".bundle"
LEFT_S = 86400.0
STUCK_MOST = 3
"""So often in a row may a runner say that it is not further than before."""


def how(wanted: Literal["fetch", "push"], runner_kind: str, repo_url: str) -> Literal["fetch", "push"]:
    """A folder of the orchestrator's machine can be fetched by no other machine, whatever the campaign says."""
    is_folder = repo_url.startswith(("/", "file:///"))
    return "push" if wanted == "push" or (runner_kind != "local" and is_folder) else "fetch"


def deliver(link: Link, home: Path, repo_url: str, commit: str, piece_bytes: int = PIECE_BYTES) -> None:
    """Sees that the commit is in the runner's mirror. Raises LinkError, LinkRefused, and BadInput where the repository
    cannot be read."""
    said = link.bundle(BundleRequest(repo_url=repo_url, commit=commit))
    if said.present:
        return
    mirror = repository_mirror(home, repo_url)
    mirror.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _locked(mirror.with_suffix(".lock")):
        path = _made(mirror, repo_url, commit, said.tips)
        file = open(path, "rb")  # noqa: SIM115  another sender may remove it as soon as the lock is free
    with file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        about = BundleRequest(repo_url=repo_url, commit=commit, sha256=sha256, bytes=file.tell())
        _send(link, file, about, piece_bytes)
    path.unlink(missing_ok=True)


def _send(link: Link, file: BinaryIO, about: BundleRequest, piece_bytes: int) -> None:
    offset, stuck = 0, 0
    while True:
        file.seek(offset)
        data = base64.b64encode(file.read(piece_bytes)).decode()
        said = link.bundle(replace(about, offset=offset, data=data))
        if said.present:
            return
        stuck = stuck + 1 if said.held_bytes <= offset else 0
        if stuck > STUCK_MOST or said.held_bytes > about.bytes:
            raise LinkError(_puzzling(said, about), kind="protocol")
        offset = said.held_bytes


def _puzzling(said: BundleAnswer, about: BundleRequest) -> str:
    return f"the runner holds {said.held_bytes} of the {about.bytes} bytes of commit {about.commit}, and takes no more"


def _made(mirror: Path, repo_url: str, commit: str, tips: tuple[str, ...]) -> Path:
    """A bundle of the commit and its past without what `tips` hold. It stays until it was delivered: git would not make
    the same bytes again, and a sender that was cut off could not go on."""
    _forget_old(mirror.parent)
    _fetch(mirror, repo_url, commit)
    known = [f"^{tip}" for tip in sorted(tips) if FULL_SHA.fullmatch(tip) and _has(mirror, repo_url, tip)]
    told = "\n".join((repo_url, commit, *known))
    path = mirror.parent / f"{hashlib.sha256(told.encode()).hexdigest()[:24]}{BUNDLE}"
    if not path.exists():
        name, waiting = f"refs/matins/{commit}", path.with_suffix(f".{os.getpid()}.new")
        _run(mirror, repo_url, "update-ref", name, commit)
        _run(mirror, repo_url, "bundle", "create", "--quiet", str(waiting), name, *known)
        waiting.rename(path)
    return path


def _forget_old(folder: Path) -> None:
    """What nobody came back for."""
    for path in (*folder.glob(f"*{BUNDLE}"), *folder.glob("*.new*")):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > LEFT_S:
                path.unlink()


def _fetch(mirror: Path, repo_url: str, commit: str) -> None:
    if not (mirror / "config").exists():
        git("init", "--quiet", "--bare", str(mirror), url=repo_url)
    if _has(mirror, repo_url, commit):
        return
    refs = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
    _run(mirror, repo_url, "fetch", "--quiet", "--prune", "--no-tags", "--end-of-options", repo_url, *refs)
    if not _has(mirror, repo_url, commit):
        # A commit that no branch names any more can still be asked for by hash.
        _run(mirror, repo_url, "fetch", "--quiet", "--no-tags", "--end-of-options", repo_url, commit)


def _has(mirror: Path, repo_url: str, commit: str) -> bool:
    try:
        _run(mirror, repo_url, "rev-parse", "--quiet", "--verify", "--end-of-options", f"{commit}^{{commit}}")
    except BadInput:
        return False
    return True


def _run(mirror: Path, repo_url: str, *words: str) -> str:
    own = ("-c", "gc.auto=0", "-c", "maintenance.auto=false", "--git-dir", str(mirror))
    return git(*own, *words, url=repo_url, limit_s=GIT_LIMIT_S)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Other workers do the same on the same home."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
