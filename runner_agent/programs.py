"""Where the system's programs are, and how this account runs them as root."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin")
"""A bare SSH command has no `sbin` on its PATH."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a program said; `exit_code` is None where it could not be run or did not end in time."""

    exit_code: int | None
    stdout: str = ""
    stderr: str = ""

    @property
    def ok(self) -> bool:
        return self.exit_code == 0

    @property
    def complaint(self) -> str:
        """Its last words, in one line."""
        said = (self.stderr or self.stdout).strip()[-300:]
        return " ".join(said.split()) or f"exit status {self.exit_code}"


def find(name: str, environ: Mapping[str, str]) -> str | None:
    """The program's path, from PATH or a folder of the system's programs."""
    return shutil.which(name, path=":".join((environ.get("PATH", os.defpath), *SYSTEM_FOLDERS)))


def as_root(argv: tuple[str, ...], environ: Mapping[str, str]) -> tuple[str, ...] | None:
    """The command as root's: as it is, or through a sudo rule that asks no password; None where there is no sudo."""
    if os.geteuid() == 0:
        return argv
    sudo = find("sudo", environ)
    return (sudo, "-n", *argv) if sudo else None


def ask(argv: tuple[str, ...], limit_s: float) -> Told:
    """Runs a program to its end, within the limit, and never raises."""
    try:
        told = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=limit_s, check=False, cwd="/"
        )
    except subprocess.TimeoutExpired:
        return Told(exit_code=None, stderr=f"{argv[0]} did not end within {limit_s:g} s")
    except OSError as error:
        return Told(exit_code=None, stderr=str(error))
    return Told(
        exit_code=told.returncode,
        stdout=told.stdout[-65536:].decode(errors="replace"),
        stderr=told.stderr[-65536:].decode(errors="replace"),
    )
