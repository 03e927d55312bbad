"""A real sshd on a free loopback port with a host key, a user key and an authorized_keys of its own, as this account.

    with Sshd(folder) as sshd:
        sshd.port, sshd.user, sshd.key         to log in: `key` is the path of a private key that it accepts
        sshd.host_key                          "TYPE BASE64", what an operator would pin
        sshd.kill()                            kill -9 of the listener and of all its sessions' own processes
        sshd.kill_sessions()                   kill -9 of those of its sessions only: the connections break
        sshd.stop(); sshd.start()              the same port again; sessions go on
        sshd.change_host_key("ed25519")        stop, make another host key (or "ecdsa", "rsa"), start
        sshd.connections, sshd.logins          how many connections it accepted, how many of them logged in

What sessions started (commands, and the supervisors that detached from them) is never touched. It offers no SFTP: the
link must do without. `config` are further lines for sshd_config; `forced` is a ForceCommand.
"""

from __future__ import annotations

import getpass
import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.components import need
from tests.orchestrator import free_port, wait_for

SSHD = "/usr/sbin/sshd"
START_LIMIT_S = 20.0


class Sshd:
    """`folder` is made if absent; several at once need one each."""

    def __init__(self, folder: Path, *, config: str = "", forced: str = "", host_key_kind: str = "ed25519") -> None:
        need(SSHD, "ssh-keygen")
        self._folder = folder.absolute()
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._log = self._folder / "sshd.log"
        self._config = config + (f"\nForceCommand {forced}\n" if forced else "\n")
        self._listener: subprocess.Popen[bytes] | None = None
        self._orphans: list[int] = []
        self._probes = 0
        self.port = free_port()
        self.user = getpass.getuser()
        self.key = make_key(self._folder / "user-key")
        self._host_key_path = make_key(self._folder / "host-key", host_key_kind)
        self.authorize(self.key)

    @property
    def host_key(self) -> str:
        return public_half(self._host_key_path)

    @property
    def connections(self) -> int:
        return self.log().count("Connection from ") - self._probes

    @property
    def logins(self) -> int:
        return self.log().count("Accepted publickey")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.kill()

    def start(self) -> Self:
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True, mode=0o755)
        with self._log.open("ab") as log:
            self._listener = subprocess.Popen(
                [SSHD, "-D", "-e", "-f", str(self._write_config())], stdin=subprocess.DEVNULL, stderr=log
            )
        wait_for(self._answers, START_LIMIT_S, self.log)
        return self

    def stop(self) -> None:
        """The listener goes; sessions that are open go on."""
        self._orphans = self.sessions()
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        sessions = self.sessions()
        self._end(signal.SIGKILL)
        for pid in sessions:
            _kill(pid)

    def kill_sessions(self) -> None:
        for pid in self.sessions():
            _kill(pid)

    def change_host_key(self, kind: str = "ed25519") -> None:
        self.stop()
        for path in (self._host_key_path, self._host_key_path.with_suffix(".pub")):
            path.unlink()
        make_key(self._host_key_path, kind)
        self.start()

    def authorize(self, *keys: Path) -> None:
        """Exactly these private keys are accepted from now on."""
        lines = "".join(f"{public_half(key)}\n" for key in keys)
        (self._folder / "authorized_keys").write_text(lines)

    def sessions(self) -> list[int]:
        """The sshd processes below the listener, or left by one that was stopped, which hold its connections."""
        parents = {pid: parent for pid, parent, name in _processes() if name.startswith("sshd")}
        found: list[int] = []
        below = [self._listener.pid] if self._listener else []
        found += [pid for pid in self._orphans if pid in parents]
        while below:
            children = [pid for pid, parent in parents.items() if parent in below]
            found += children
            below = children
        return found

    def log(self) -> str:
        return self._log.read_text("utf-8", "replace") if self._log.exists() else ""

    def _end(self, number: signal.Signals) -> None:
        if self._listener is not None:
            self._listener.send_signal(number)
            self._listener.wait(timeout=150)
            self._listener = None

    def _write_config(self) -> Path:
        path = self._folder / "sshd_config"
        path.write_text(
            f"""Port {self.port}
ListenAddress 127.0.0.1
HostKey {self._host_key_path}
AuthorizedKeysFile {self._folder}/authorized_keys
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
UseDNS no
PrintMotd no
MaxStartups 100
LogLevel VERBOSE
{self._config}"""
        )
        return path

    def _answers(self) -> bool:
        assert self._listener is not None and self._listener.poll() is None, f"sshd ended\n{self.log()}"
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=20) as probe:
                if probe.recv(4) != b"SSH-":
                    return False
                self._probes += 1
                return True
        except OSError:
            return False


def make_key(path: Path, kind: str = "ed25519", passphrase: str = "") -> Path:
    """A key pair `path`, `path.pub`; returns `path`."""
    bits = ["-b", "2048"] if kind == "rsa" else []
    argv = ["ssh-keygen", "-q", "-t", kind, *bits, "-N", passphrase, "-C", "matins-test", "-f", str(path)]
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)
    return path


def public_half(path: Path) -> str:
    """ "TYPE BASE64"."""
    return " ".join(path.with_name(f"{path.name}.pub").read_text().split()[:2])


def _processes() -> list[tuple[int, int, str]]:
    """Pid, parent and name of all that still run."""
    found: list[tuple[int, int, str]] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            name, rest = stat[stat.index("(") + 1 : stat.rindex(")")], stat[stat.rindex(")") + 2 :].split()
            if rest[0] != "Z":
                found.append((int(entry.name), int(rest[1]), name))
    return found


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    deadline = time.monotonic() + 60
    while any(each == pid for each, _, _ in _processes()) and time.monotonic() < deadline:
        time.sleep(0.01)
