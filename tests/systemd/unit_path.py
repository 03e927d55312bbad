"""Supervisors as transient units of a real systemd: `python -m tests.systemd.unit_path [ROOT]`, as root.

Boots systemd as process 1 of its own pid, mount, network, uts, ipc and cgroup namespaces, on a Debian root file system
at ROOT (made there by debootstrap if it is not there yet; a temporary folder unless given). The machine's own root is
not in its view, and `/proc/sys` is read-only there. One line for each case, with what was seen; a failed assertion if a
case fails. Takes a minute, and two more for the root: too long for CI, which uses a stand-in (test_detached.py).
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from orchestrator.machines import agent_file
from orchestrator.machines.local import LocalLink
from runner_agent import cgroup
from tests.integration.runner_agent.rig import Rig, make_repository

PACKAGES = "systemd,systemd-sysv,dbus,libpam-systemd,python3,git,bubblewrap,util-linux"
WAIT_S = 60.0
# What would reach beyond the namespaces (kernel settings, devices) or waits for a terminal.
MASKED = (
    "systemd-sysctl.service", "systemd-udevd.service", "systemd-udev-trigger.service", "systemd-modules-load.service",
    "systemd-remount-fs.service", "systemd-random-seed.service", "systemd-binfmt.service", "systemd-timesyncd.service",
    "systemd-update-utmp.service", "console-getty.service", "getty@.service", "apt-daily.timer",
    "apt-daily-upgrade.timer", "sys-kernel-debug.mount", "sys-kernel-tracing.mount", "sys-fs-fuse-connections.mount",
    "dev-hugepages.mount",
)  # fmt: skip
BOOT = """
set -e
mount --bind "$1" "$1"
cd "$1"
mount -t proc proc proc
# One that nothing covers, or no sandbox in here may mount its own: mount_namespaces(7).
mount -t proc proc mnt/proc
mount --bind proc/sys proc/sys
mount -o remount,ro,bind proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs tmpfs tmp
mount -t tmpfs -o mode=755 tmpfs dev
for node in null:3 zero:5 full:7 random:8 urandom:9; do mknod -m 666 "dev/${node%:*}" c 1 "${node#*:}"; done
mknod -m 666 dev/tty c 5 0
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mount -t tmpfs tmpfs dev/shm
mkdir -p old
pivot_root . old
umount -l /old
exec env -i container=unshare PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system
"""


class Booted:
    """The root, with systemd running in it."""

    def __init__(self, root: Path, init: int) -> None:
        self.root = root
        self._inside = ("nsenter", "-t", str(init), "-m", "-p", "-n", "-u", "-i", "-C", "-r", "-w")
        self.agent = "/opt/matins/agent.pyz"

    def run(self, *argv: str, given: str = "", account: str = "root") -> str:
        words = argv if account == "root" else ("runuser", "-u", account, "--", *argv)
        told = subprocess.run(
            [*self._inside, *words], input=given, capture_output=True, text=True, timeout=WAIT_S, check=False
        )
        return told.stdout + told.stderr

    def call(self, verb: str, message: Any, home: str, *, account: str = "root", session: str = "") -> Any:
        """A verb; with `session` in a unit of its own that is killed whole when the call is over, as a login may be."""
        around = ("systemd-run", "--quiet", "--pipe", "--wait", "--collect", f"--unit={session}") if session else ()
        argv = (*around, "python3", "-I", "-S", self.agent, verb, "--home", home)
        return json.loads(self.run(*argv, given=json.dumps(message), account=account))

    def identity(self, home: str, attempt_id: str) -> dict[str, Any]:
        path = self.root / home.lstrip("/") / "attempts" / attempt_id / "identity.json"
        wait_until(path.exists)
        return json.loads(path.read_text())

    def end(self, home: str, attempt_id: str, account: str = "root") -> Any:
        def ended() -> Any:
            told = self.call("report", {"cursors": {}}, home, account=account)["attempts"]
            found = next(each for each in told if each["attempt_id"] == attempt_id)
            return found if found["phase"] not in ("running", "awaiting-checks") else None

        return wait_until(ended)


def wait_until(look: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + WAIT_S
    while not (seen := look()):
        assert time.monotonic() < deadline, f"not within {WAIT_S:g} s"
        time.sleep(0.1)
    return seen


def make_root(root: Path) -> None:
    if not (root / "lib/systemd/systemd").exists():
        subprocess.run(["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(root)], check=True)
    root.chmod(0o755)
    for name in MASKED:
        link = root / "etc/systemd/system" / name
        link.unlink(missing_ok=True)
        link.symlink_to("/dev/null")
    (root / "mnt/proc").mkdir(exist_ok=True)
    subprocess.run(["chroot", str(root), "useradd", "-m", "worker"], capture_output=True, check=False)
    (root / "var/lib/systemd/linger/worker").unlink(missing_ok=True)
    agent = root / "opt/matins/agent.pyz"
    agent.parent.mkdir(exist_ok=True)
    agent.write_bytes(agent_file.build().content)


@contextlib.contextmanager
def booted(root: Path) -> Iterator[Booted]:
    group = cgroup.make(f"systemd-{os.getpid()}")
    assert group is not None, "needs root and a cgroup2 mount"
    enter = f'echo $$ > {group}/cgroup.procs; exec "$@"'
    spaces = (
        "unshare",
        "--pid",
        "--fork",
        "--mount",
        "--net",
        "--uts",
        "--ipc",
        "--cgroup",
        "--propagation",
        "private",
    )
    with open(root / "var/log/boot-of-test.log", "wb") as log:
        outer = subprocess.Popen(
            ["sh", "-c", enter, "sh", *spaces, "sh", "-c", BOOT, "boot", str(root)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children")
        init = int(wait_until(lambda: children.read_text().split() or None)[0])
        made = Booted(root, init)
        wait_until(lambda: made.run("systemctl", "is-system-running").strip() in ("running", "degraded"))
        yield made
    finally:
        cgroup.kill(group, WAIT_S)
        outer.wait(WAIT_S)
        cgroup.remove(group)


def main() -> int:
    with contextlib.ExitStack() as stack:
        given = sys.argv[1:] or [stack.enter_context(tempfile.TemporaryDirectory(prefix="matins-systemd-"))]
        root = Path(given[0]).absolute()
        make_root(root)
        work = f"work-{os.getpid()}"
        commit = make_repository(root / "srv" / work)
        rig = Rig(root=Path("/srv"), link=LocalLink(root / "unused"), commit=commit)
        with booted(root) as system:
            system.run("git", "config", "--system", "--add", "safe.directory", "*")
            say("systemd", system.run("systemctl", "--version").splitlines()[0])

            def launch(name: str, home: str, script: str = "echo done >> source.txt", **how: str) -> str:
                spec = rig.spec(
                    f"{name}-{os.getpid()}", script, repo_url=f"/srv/{work}", build=(), lint=(), test=(), base_key="b"
                )
                assert system.call("launch", asdict(spec), home, **how)["phase"] == "running"
                return spec.attempt_id

            attempt = launch("system", "/srv/home", session="login-1")
            assert system.identity("/srv/home", attempt)["detached"] == "unit"
            unit = system.run("systemctl", "show", f"matins-{attempt}-*", "-p", "Type,OOMPolicy,CollectMode")
            assert "login-1" not in system.run("systemctl", "list-units", "--plain", "--no-legend")
            ended = system.end("/srv/home", attempt)["exit"]
            say("system-unit", f"{unit.split()} outlived its session: {ended['reason']} {ended['detail']}")
            assert ended["graded"]

            attempt = launch("killed", "/srv/home", "exec sleep 600")
            os_pid = system.identity("/srv/home", attempt)["pid"]
            system.run("kill", "-9", str(os_pid))
            say("killed-unit", system.end("/srv/home", attempt)["detail"])
            commands = system.run("sh", "-c", "cat /proc/[0-9]*/comm")
            assert "sleep" not in commands.split()

            home = "/home/worker/one"
            attempt = launch("fork", home, account="worker")
            way = system.identity(home, attempt)["detached"]
            say("no-linger", f"{way}: {system.end(home, attempt, 'worker')['exit']['reason']}")
            assert way == "fork"

            system.run("loginctl", "enable-linger", "worker")
            wait_until(lambda: any((root / "var/lib/systemd/linger").iterdir()))
            wait_until(lambda: system.run("ls", "/run/user/1000/systemd/private").strip().endswith("/private"))
            home = "/home/worker/two"
            attempt = launch("user", home, account="worker")
            seen = system.identity(home, attempt)
            group = system.run("grep", "0::", f"/proc/{seen['pid']}/cgroup").strip()
            say("linger", f"{seen['detached']} in {group}: {system.end(home, attempt, 'worker')['exit']['reason']}")
            assert seen["detached"] == "unit"
    return 0


def say(case: str, what: str) -> None:
    print(f"unit-path {case}: {what}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
