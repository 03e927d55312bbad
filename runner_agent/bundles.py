"""Commits that the orchestrator brings: a git bundle, piece by piece, checked by its hash, taken into the mirror.

Each call is answered with how much is here, so that a sender that was cut off goes on where it was. Two that send the
same bundle at once do no harm: a piece that does not begin where the last one ended changes nothing.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import subprocess
from pathlib import Path

from runner_agent import clock, locks, mirror, quota, retention
from runner_agent.git import FETCH_ENV, command
from runner_agent.home import Home
from runner_agent.protocol import BundleAnswer, BundleRequest
from runner_agent.refusal import Refused

LOCK_WAIT_S = 30.0
GIT_LIMIT_S = 500.0
TIPS_MOST = 500
COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
SHA256 = re.compile(r"[0-9a-f]{64}")


def take(home: Home, request: BundleRequest) -> BundleAnswer:
    """Takes a piece; with the last one, the commit into the mirror. Raises Refused."""
    if not COMMIT.fullmatch(request.commit):
        raise Refused("bad-request", f"{request.commit[:70]!r} is no full commit hash")
    if request.sha256 and not SHA256.fullmatch(request.sha256):
        raise Refused("bad-request", f"{request.sha256[:70]!r} is no SHA-256")
    folder = home.mirror(request.repo_url)
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    deadline_s = clock.monotonic_s() + LOCK_WAIT_S

    def give_up() -> None:
        if clock.monotonic_s() > deadline_s:
            raise Refused("runner-fault", f"the mirror {folder.name} was in use for {LOCK_WAIT_S:g} s")

    with locks.held(folder.with_suffix(".lock"), check=give_up):
        if _has(folder, request.commit):
            retention.touch_used(folder)
            return BundleAnswer(present=True)
        if not request.sha256:
            return BundleAnswer(present=False, tips=_tips(folder))
        held_bytes = _add(home, request)
        if held_bytes < request.bytes:
            return BundleAnswer(present=False, held_bytes=held_bytes)
        _unpack(home, request, folder)
        return BundleAnswer(present=True, held_bytes=held_bytes)


def _add(home: Home, request: BundleRequest) -> int:
    """How many bytes of the bundle are here now."""
    path = _path(home, request)
    path.parent.mkdir(exist_ok=True, mode=0o700)
    try:
        piece = base64.b64decode(request.data, validate=True)
    except binascii.Error as error:
        raise Refused("bad-request", f"a piece of the bundle is not base64: {error}") from error
    with open(path, "ab") as file:
        held_bytes = file.tell()
        if piece and request.offset == held_bytes:
            if quota.is_low(quota.disk(path.parent)):
                raise Refused("runner-fault", f"the disk that holds {home.root} has no room for the bundle")
            held_bytes += file.write(piece)
    return held_bytes


def _unpack(home: Home, request: BundleRequest, folder: Path) -> None:
    path = _path(home, request)
    try:
        _check(path, request)
        if not (folder / "config").exists():
            for words in mirror.making(folder):
                _git(*words)
        retention.touch_used(folder)
        name = f"refs/matins/{request.commit}"
        told = _git("-C", str(folder), "fetch", "--quiet", "--no-tags", "--", str(path), f"+{name}:{name}")
    finally:
        path.unlink(missing_ok=True)
    if not _has(folder, request.commit):
        raise Refused("runner-fault", f"commit {request.commit} did not come with its bundle; git said: {told}")


def _check(path: Path, request: BundleRequest) -> None:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
        os.fsync(file.fileno())
    if digest.hexdigest() != request.sha256:
        raise Refused("runner-fault", f"the bundle of {request.commit} came damaged; it has to be sent again")


def _has(folder: Path, commit: str) -> bool:
    if not (folder / "config").exists():
        return False
    argv = ("-C", str(folder), "rev-parse", "--quiet", "--verify", "--end-of-options", f"{commit}^{{commit}}")
    return _run(*argv).returncode == 0


def _tips(folder: Path) -> tuple[str, ...]:
    """Commits that are here, so that the sender leaves out what they hold."""
    if not (folder / "config").exists():
        return ()
    listed = _run("-C", str(folder), "for-each-ref", f"--count={TIPS_MOST}", "--format=%(objectname)")
    return tuple(dict.fromkeys(listed.stdout.decode(errors="replace").split()))


def _git(*words: str) -> str:
    done = _run(*words)
    said = done.stderr[-400:].decode(errors="replace").strip()
    if done.returncode != 0:
        raise Refused("runner-fault", f"git {' '.join(words[:4])} failed: {said}")
    return said


def _run(*words: str) -> subprocess.CompletedProcess[bytes]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("MATINS_")}
    try:
        return subprocess.run(
            command(*words),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=GIT_LIMIT_S,
            env={**own, **FETCH_ENV},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Refused("runner-fault", f"git could not be run on the mirror: {error}") from error


def _path(home: Home, request: BundleRequest) -> Path:
    return home.incoming / f"{request.sha256}.bundle"
