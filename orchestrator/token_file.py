"""The file that holds the API's token: readable by its owner alone, and the same for all processes that make one."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from orchestrator.errors import BadSetting

TOKEN_BYTES_MAX = 4096


def read(path: Path) -> str | None:
    """The token; None if the file is not there. Raises BadSetting."""
    try:
        # Never waits for the other end of a pipe.
        with open(path, encoding="ascii", opener=_without_waiting) as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            token = file.read(TOKEN_BYTES_MAX).strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise _unusable(path, f"cannot be read: {error}", "mend or remove it") from None
    if mode & 0o077:
        raise _unusable(path, f"has mode {mode:04o}: others may read it", f"run: chmod 600 {path}")
    if not token:
        raise _unusable(path, "is empty", f"remove it: rm {path}")
    return token


def make(path: Path) -> str:
    """The token, made unless another process was first. Raises BadSetting."""
    try:
        _write(path)
    except OSError as error:
        raise _unusable(path, f"cannot be made: {error.strerror}", "let this account write there") from None
    token = read(path)
    if token is None:
        raise _unusable(path, "vanished while it was made", "start again")
    return token


def _write(path: Path) -> None:
    draft = path.with_name(f".token-{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        # Linking fails if another process was first, and shows the file only when it is whole.
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)


def _unusable(path: Path, problem: str, remedy: str) -> BadSetting:
    return BadSetting(f"the token file {path} {problem}", remedy)
