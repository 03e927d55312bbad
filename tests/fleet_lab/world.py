"""What a machine sees: this machine's programs under a root, home, host key, boot id and hostname of its own.

Its disk is `Disk.folder`; that survives its sleep and its power. Everything else is mounted anew at each boot.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

from runner_agent.machine import TOOLCHAINS
from tests.fleet_lab import kernel

STAND_INS = Path(__file__).with_name("stand_ins")
DRIVER_FOLDERS = ("/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d")
HOST_KEY, OTHER_HOST_KEY = "ssh_host_ed25519_key", "ssh_host_other_key"
LISTENER_PID = "/run/sshd.pid"

SSHD_CONFIG = f"""Port 22
ListenAddress 0.0.0.0
AuthorizedKeysFile /etc/ssh/authorized_keys .ssh/authorized_keys
PidFile {LISTENER_PID}
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
UseDNS no
PrintMotd no
MaxStartups 100
LogLevel VERBOSE
Subsystem sftp internal-sftp
"""


@dataclass(frozen=True, kw_only=True)
class Disk:
    """`home` is root's; `board` holds what the stand-ins and the lab share: the power switch and the card's setting."""

    folder: Path

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def board(self) -> Path:
        return self.folder / "board"

    @property
    def ssh(self) -> Path:
        return self.folder / "ssh"

    @property
    def boot_id(self) -> Path:
        return self.folder / "boot_id"

    @property
    def log(self) -> Path:
        return self.folder / "sshd.log"


def format_disk(disk: Disk, name: str, hosts: str, authorized: str, keys: dict[str, Path], wol: str) -> None:
    """`keys`: the private key to place under each name in /etc/ssh."""
    upper = disk.folder / "upper"
    for folder in (upper / "etc", disk.folder / "work", disk.folder / "root", disk.board):
        folder.mkdir(parents=True)
    for folder in (disk.home, disk.ssh):
        folder.mkdir(mode=0o700)
    (disk.ssh / "sshd_config").write_text(SSHD_CONFIG)
    (disk.ssh / "authorized_keys").write_text(authorized)
    for target, key in keys.items():
        shutil.copy(key, disk.ssh / target)
        shutil.copy(f"{key}.pub", disk.ssh / f"{target}.pub")
    (upper / "etc/hostname").write_text(f"{name}\n")
    (upper / "etc/hosts").write_text(f"127.0.0.1 localhost\n{hosts}")
    # No account has a password; root is not locked, which sshd without PAM would refuse.
    shadow = "".join(f"{entry.pw_name}:*:19000:0:99999:7:::\n" for entry in pwd.getpwall())
    (upper / "etc/shadow").write_text(shadow)
    (upper / "etc/shadow").chmod(0o600)
    for program in ("systemctl", "ethtool"):
        for folder in ("usr/local/sbin", "usr/bin", "usr/sbin"):
            (upper / folder).mkdir(parents=True, exist_ok=True)
            shutil.copy(STAND_INS / program, upper / folder / program)
    (upper / "usr/local/bin").mkdir()
    (upper / "usr/local/bin/python3").symlink_to(os.path.realpath(sys.executable))
    (disk.board / "wol").write_text(f"{wol}\n")
    os.mkfifo(disk.board / "power")


def enter(disk: Disk, name: str, boot_id: str, shared: tuple[str, ...]) -> None:
    """Makes the machine's world around the calling process, which has new mount, pid and uts namespaces."""
    kernel.mount("none", "/", flags=kernel.RECURSIVE | kernel.PRIVATE)
    root = disk.folder / "root"
    layers = f"lowerdir=/,upperdir={disk.folder}/upper,workdir={disk.folder}/work"
    kernel.mount("overlay", root, "overlay", options=layers)
    _proc(root, disk, boot_id)
    _devices(root)
    for folder, mode in (("run", "755"), ("tmp", "1777")):
        kernel.mount("tmpfs", root / folder, "tmpfs", options=f"mode={mode}")
    # bubblewrap may mount a new /proc only where one is to be seen that nothing was mounted over.
    for folder in ("run/sshd", "run/lock", "run/lab", "run/proc"):
        (root / folder).mkdir(mode=0o755)
    kernel.mount("proc", root / "run/proc", "proc")
    kernel.bind(disk.board, root / "run/lab")
    kernel.bind(disk.ssh, root / "etc/ssh")
    _home(root, disk.home)
    for part in shared:
        (root / part.lstrip("/")).mkdir(parents=True, exist_ok=True)
        kernel.bind(part, root / part.lstrip("/"), read_only=True)
    kernel.change_root(root)
    socket.sethostname(name)


def show_drivers(shown: bool) -> None:
    """Hides the Vulkan drivers of the machine that the calling process lives in, or shows them again."""
    for folder in DRIVER_FOLDERS:
        if not os.path.isdir(folder):
            continue
        hidden = any(line.split()[1] == folder for line in Path("/proc/self/mounts").read_text().splitlines())
        if shown and hidden:
            kernel.unmount(folder)
        elif not shown and not hidden:
            kernel.mount("tmpfs", folder, "tmpfs", kernel.READ_ONLY)


def _proc(root: Path, disk: Disk, boot_id: str) -> None:
    """What reaches the kernel that all share is read-only."""
    kernel.mount("proc", root / "proc", "proc")
    kernel.bind(root / "proc/sys", root / "proc/sys", read_only=True)
    if (root / "proc/sysrq-trigger").exists():
        kernel.bind("/dev/null", root / "proc/sysrq-trigger")
    disk.boot_id.write_text(f"{boot_id}\n")
    kernel.bind(disk.boot_id, root / "proc/sys/kernel/random/boot_id", read_only=True)
    kernel.mount("sysfs", root / "sys", "sysfs", kernel.READ_ONLY)
    kernel.mount("cgroup2", root / "sys/fs/cgroup", "cgroup2")


def _devices(root: Path) -> None:
    kernel.mount("/dev", root / "dev", flags=kernel.BIND | kernel.RECURSIVE)
    kernel.mount("devpts", root / "dev/pts", "devpts", options="newinstance,ptmxmode=0666,mode=620")
    kernel.mount("tmpfs", root / "dev/shm", "tmpfs", options="mode=1777")


def _home(root: Path, home: Path) -> None:
    """A home of its own, with the toolchains of this machine's home in it."""
    here = os.path.realpath(os.path.expanduser("~root"))
    toolchains = [os.path.join(here, part) for part in TOOLCHAINS] + [os.path.realpath(sys.base_prefix)]
    kernel.bind(home, root / here.lstrip("/"))
    for part in toolchains:
        if part.startswith(f"{here}/") and os.path.isdir(part):
            (root / part.lstrip("/")).mkdir(parents=True, exist_ok=True)
            kernel.bind(part, root / part.lstrip("/"), read_only=True)
