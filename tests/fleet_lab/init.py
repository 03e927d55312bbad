"""Process 1 of a machine: makes its world, starts and stops sshd as the lab says, and buries the orphans.

It is forked from the lab, which it hears on a socket: "prepare VULKAN SSHD" and "sshd KEY", one per line. It answers
"prepared" and, once TCP 22 is open, "listening".
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import time
from pathlib import Path

from tests.fleet_lab import kernel, world

SSHD = "/usr/sbin/sshd"
POLL_S = 0.01
PORT_LIMIT_S = 100.0
LISTENING = ":0016 00000000:0000 0A"  # /proc/net/tcp: port 22, state LISTEN


def start(
    disk: world.Disk, name: str, boot_id: str, shared: tuple[str, ...], network: int, group: Path
) -> tuple[int, socket.socket]:
    """Boots a machine: its process 1, as a child of the caller, and the socket to it."""
    here, there = socket.socketpair()
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        # _exit: nothing of the lab that was forked from may run its course here.
        try:
            (group / "cgroup.procs").write_text("0")
            kernel.enter_network(network)
            kernel.unshare(
                kernel.NEW_MOUNTS | kernel.NEW_CGROUPS | kernel.NEW_HOSTNAME | kernel.NEW_IPC | kernel.NEW_PIDS
            )
            first = os.fork()
            if first != 0:
                os.write(write_end, str(first).encode())
                os._exit(0)
            _live(disk, name, boot_id, shared, there)
        except BaseException as error:
            with contextlib.suppress(OSError):
                disk.log.open("a").write(f"the machine did not boot: {error!r}\n")
        finally:
            os._exit(1)
    os.close(write_end)
    there.close()
    with os.fdopen(read_end) as answer:
        first = int(answer.read() or 0)
    os.waitpid(child, 0)
    return first, here


def _live(disk: world.Disk, name: str, boot_id: str, shared: tuple[str, ...], lab: socket.socket) -> None:
    log = os.open(disk.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    kernel.name_process("init")
    os.setsid()
    for descriptor in map(int, os.listdir("/proc/self/fd")):
        if descriptor not in (lab.fileno(), log):
            with contextlib.suppress(OSError):
                os.close(descriptor)
    # Descriptors 0 to 2, of which libraries take for granted that they are open.
    os.open("/dev/null", os.O_RDWR)
    os.dup2(log, 1)
    os.dup2(log, 2)
    # Python's own setting; whatever the machine runs is to have the usual ones.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    world.enter(disk, name, boot_id, shared)
    _Init(lab, log).serve()


class _Init:
    def __init__(self, lab: socket.socket, log: int) -> None:
        self._lab = lab
        self._log = log
        self._listener: subprocess.Popen[bytes] | None = None
        self._key = ""

    def serve(self) -> None:
        signal.signal(signal.SIGCHLD, lambda *_: None)
        wake_read, wake_write = os.pipe()
        os.set_blocking(wake_write, False)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        waiting = ""
        while True:
            ready, _, _ = select.select([self._lab, wake_read], [], [])
            if wake_read in ready:
                os.read(wake_read, 4096)
            if self._lab in ready:
                data = self._lab.recv(4096)
                if not data:
                    return
                *lines, waiting = (waiting + data.decode()).split("\n")
                for line in lines:
                    self._obey(*line.split())
            self._bury()

    def _obey(self, verb: str, *given: str) -> None:
        if verb == "prepare":
            world.show_drivers(given[0] == "shown")
            if given[1] == "stop":
                self._stop()
            self._lab.sendall(b"prepared\n")
        elif verb == "sshd":
            self._listen(given[0])
            self._lab.sendall(b"listening\n")

    def _listen(self, key: str) -> None:
        if self._listener is not None and self._listener.poll() is None and self._key == key:
            return
        self._stop()
        self._key = key
        self._listener = subprocess.Popen(
            [SSHD, "-D", "-e", "-h", f"/etc/ssh/{key}"], stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log
        )
        deadline = time.monotonic() + PORT_LIMIT_S
        while LISTENING not in Path("/proc/net/tcp").read_text() and time.monotonic() < deadline:
            time.sleep(POLL_S)

    def _stop(self) -> None:
        """The listener only: sessions live on, as they do when a real sshd is restarted."""
        if self._listener is not None:
            self._listener.kill()
            self._listener.wait()
            self._listener = None

    def _bury(self) -> None:
        if self._listener is not None:
            self._listener.poll()
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0] != 0:
                pass
