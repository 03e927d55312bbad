"""Resolving a campaign's base to a commit. Arguments only, never a shell; a name can never become an option."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from orchestrator.errors import BadInput

GIT_LIMIT_S = 60.0
QUIET_GIT = (
    "env", "GIT_TERMINAL_PROMPT=0", "GIT_SSH_COMMAND=ssh -oBatchMode=yes",
    "GIT_ALLOW_PROTOCOL=file:git:http:https:ssh", "git",
)  # fmt: skip
"""Git that fails where it would ask somebody, or run a helper program that a URL names."""
FULL_SHA = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
REF_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./+-]{0,199}")


def locate(url: str, directory: str) -> str:
    """A relative path counts from the campaign's folder; anything with a scheme or a host is left as it is."""
    if "://" in url or re.match(r"^[^/]+@[^/]+:", url):
        return url
    return str((Path(directory) / url).resolve())


def resolve(url: str, base: str) -> str:
    """The full commit id of a branch, tag or commit id; of HEAD, what the repository has there. Raises BadInput."""
    if not FULL_SHA.fullmatch(base) and (not REF_NAME.fullmatch(base) or ".." in base):
        raise BadInput(
            f"base {base!r} is not a branch, tag or full commit id", "name one that exists in the repository"
        )
    if FULL_SHA.fullmatch(base):
        return _probe_commit(url, base)
    listed = git("ls-remote", "--end-of-options", url, base, f"{base}^{{}}", url=url)
    refs = {name: commit for commit, _, name in (line.partition("\t") for line in listed.splitlines())}
    for name in (
        f"refs/heads/{base}",
        f"refs/tags/{base}^{{}}",
        f"refs/tags/{base}",
        *(("HEAD",) if base == "HEAD" else ()),
    ):
        if name in refs:
            return refs[name]
    raise BadInput(f"repository {url} has no branch or tag {base!r}", "set `base` under [repo] to one that exists")


def _probe_commit(url: str, commit: str) -> str:
    with TemporaryDirectory(prefix="matins-probe-") as folder:
        git("init", "--quiet", "--bare", folder, url=url)
        fetch = (
            "--git-dir",
            folder,
            "fetch",
            "--quiet",
            "--depth=1",
            "--filter=tree:0",
            "--end-of-options",
            url,
            commit,
        )
        git(*fetch, url=url)
    return commit


def git(*arguments: str, url: str, limit_s: float = GIT_LIMIT_S) -> str:
    """What git says, asked about the repository at `url`. Raises BadInput."""
    protected = ("-c", "protocol.ext.allow=never", "-c", "core.askPass=", "-c", "credential.interactive=false")
    try:
        done = subprocess.run(
            [*QUIET_GIT, *protected, *arguments],
            capture_output=True,
            text=True,
            timeout=limit_s,
            stdin=subprocess.DEVNULL,
        )
    except FileNotFoundError:
        raise BadInput("git is not installed", "install git (`apt-get install git`)") from None
    except subprocess.TimeoutExpired:
        raise BadInput(f"repository {url} did not answer in {limit_s:.0f} s", "check `url` under [repo]") from None
    if done.returncode != 0:
        said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        # What follows the fatal line is general advice.
        why = next((line for line in said if line.startswith("fatal:")), said[-1] if said else "git failed")
        raise BadInput(f"repository {url} cannot be read: {why}", "check `url` and `base` under [repo]")
    return done.stdout
