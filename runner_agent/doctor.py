"""What a runner needs, each prerequisite judged by what was found: a pure function of probed facts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from runner_agent.detach import Surroundings, choose
from runner_agent.protocol import Hello, Prerequisite

CLOCK_OFFSET_S = 5.0
DISK_BYTES = 20 << 30
SOFTWARE = "cpu"

RULE = 'SUBSYSTEM=="powercap", KERNEL=="intel-rapl:*", RUN+="/bin/chown {account} %S%p/energy_uj"'

Judged = tuple[bool | None, str, str]
"""Whether it passes (None: nobody can say), what was found, and the remedy where it does not pass."""


@dataclass(frozen=True, kw_only=True)
class Energy:
    """`counted`: the instruments that told; `whole`: whether they see the whole machine. `problem`: why the operator's
    hook does not tell. `closed`: instruments that only root may read. `silent`: why nobody could be asked at all."""

    counted: tuple[str, ...] = ()
    whole: bool = False
    problem: str = ""
    closed: tuple[str, ...] = ()
    silent: str = ""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What was probed. `no_power`: why there is no command for sleep, or empty. `sleep_states`: /sys/power/state, None
    where it cannot be read. `kept_by`: the file that arms Wake-on-LAN at each boot; `closed`: files that may say it and
    cannot be read. `clock_offset_s`: this clock minus the asker's, None where nobody asked. `hook`: where an operator's
    power hook belongs."""

    hello: Hello
    account: str
    no_power: str
    sleep_states: str | None
    wake_on_lan: str
    kept_by: str
    closed: tuple[str, ...]
    interface: str
    board: str
    clock_offset_s: float | None
    surroundings: Surroundings
    energy: Energy
    hook: str


def judge(facts: Facts) -> tuple[Prerequisite, ...]:
    """Every row of `ROWS`, in order."""
    return tuple(_prerequisite(name, *row(facts)) for name, row in ROWS.items())


def _prerequisite(name: str, passes: bool | None, found: str, remedy: str) -> Prerequisite:
    if passes:
        return Prerequisite(name=name, result="pass", found=found)
    return Prerequisite(name=name, result="unknown" if passes is None else "fail", found=found, remedy=remedy)


def _power_command(facts: Facts) -> Judged:
    rule = f"{facts.account} ALL=(root) NOPASSWD: /usr/bin/systemctl suspend, /usr/bin/systemctl poweroff"
    remedy = f"as root, write into /etc/sudoers.d/matins the line: {rule}"
    return not facts.no_power, facts.no_power or "this account may suspend the machine and turn it off", remedy


def _suspend(facts: Facts) -> Judged:
    remedy = "turn on suspend (S3, or s2idle) in the firmware, or have it turned off instead: sleeps = power-off"
    if facts.sleep_states is None:
        return None, "/sys/power/state cannot be read", remedy
    can = "mem" in facts.sleep_states.split()
    return can, f"the kernel offers: {facts.sleep_states.strip() or 'no sleep at all'}", remedy


def _wake_armed(facts: Facts) -> Judged:
    interface = facts.interface or "IFACE"
    state, _, why = facts.wake_on_lan.partition(": ")
    if state == "unknown":
        rule = f"{facts.account} ALL=(root) NOPASSWD: /usr/sbin/ethtool {interface}"
        ask = f"; as root, write into /etc/sudoers.d/matins the line: {rule}" if facts.account != "root" else ""
        return None, why, f"install ethtool{ask}"
    return (
        state == "armed",
        why or f"{interface} wakes the machine at a magic packet",
        (f"as root: ethtool -s {interface} wol g"),
    )


def _wake_kept(facts: Facts) -> Judged:
    remedy = (
        "as root, write /etc/systemd/network/50-matins-wol.link with [Match] MACAddress=… and [Link] "
        "NamePolicy=keep kernel database onboard slot path, WakeOnLan=magic; with NetworkManager: "
        "nmcli connection modify NAME 802-3-ethernet.wake-on-lan magic"
    )
    if facts.kept_by:
        return True, f"{facts.kept_by} arms it at each boot", ""
    if facts.closed:
        return None, f"not readable for this account: {', '.join(facts.closed[:3])}", remedy
    return False, "no file was found that arms it at each boot", remedy


def _firmware(facts: Facts) -> Judged:
    found = f"{facts.board or 'this board'} does not say it; a wake from each kind of sleep proves it"
    remedy = "in the BIOS: turn on `Wake on LAN` or `Power on by PCI-E`, turn off `ErP`/`EuP` and `Deep Sleep`"
    return None, found, remedy


def _vulkan(facts: Facts) -> Judged:
    gpus = facts.hello.gpus
    if not gpus:
        remedy = "install the Vulkan loader (libvulkan1) and the card's driver; let the account into the group `render`"
        return False, facts.hello.gpu_problem or "no Vulkan device", remedy
    found = "; ".join(f"{gpu.name}, {gpu.driver}, Vulkan {gpu.vulkan_api}, {gpu.device_uuid}" for gpu in gpus)
    if all(gpu.device_type == SOFTWARE for gpu in gpus):
        remedy = "if there is a card: install its driver, and let the account into the group `render`"
        return None, f"only a software device: {found}", remedy
    return True, found, ""


def _disk(facts: Facts) -> Judged:
    free = facts.hello.disk_free_bytes
    remedy = f"free at least {DISK_BYTES >> 30} GiB where the runner's home lies, or move the home"
    return free >= DISK_BYTES, f"{free / (1 << 30):.1f} GiB free", remedy


def _clock(facts: Facts) -> Judged:
    remedy = "keep the time by NTP: timedatectl set-ntp true"
    if facts.clock_offset_s is None:
        return None, "it was not compared with another clock", remedy
    near = abs(facts.clock_offset_s) <= CLOCK_OFFSET_S
    return near, f"{facts.clock_offset_s:+.1f} s from the orchestrator's", remedy


def _toolchain(facts: Facts) -> Judged:
    tools = facts.hello.tools
    found = ", ".join(f"{name} {version}" for name, version in sorted(tools.items())) or "none of the known tools"
    if "git" not in tools:
        return False, found, "install git: no tree can be checked out without it"
    lacking = [name for name in ("cargo", "rustc") if name not in tools]
    if lacking:
        return None, f"{found}; no {' and no '.join(lacking)}", "campaigns in Rust need it: install rustup"
    return True, found, ""


def _cgroups(facts: Facts) -> Judged:
    remedy = (
        "run the agent's account as root or with a delegated cgroup v2 (systemd: Delegate=yes), see docs/sandbox.md"
    )
    writable = facts.hello.quiescence == "cgroup2"
    found = (
        "cgroup v2 can be written" if writable else "no cgroup v2 that can be written: the end of an agent is proven"
    )
    return writable, found if writable else f"{found} by a scan of processes", remedy


def _sandbox(facts: Facts) -> Judged:
    problem = facts.hello.sandbox_problem
    remedy = "install bubblewrap; allow unprivileged user namespaces (sysctl kernel.unprivileged_userns_clone=1)"
    return not problem, problem or f"{facts.hello.sandbox} can confine an agent", remedy


def _detached(facts: Facts) -> Judged:
    way = choose(facts.surroundings)
    if way != "fork":
        return True, f"a supervisor is a {way.replace('-', ' ')} of systemd", ""
    if not facts.surroundings.booted:
        return True, "without systemd, a supervisor is a process that left its session", ""
    found = "a supervisor is a process of an SSH session, which systemd may end with the session"
    return False, found, f"as root: loginctl enable-linger {facts.account}"


def _energy(facts: Facts) -> Judged:
    energy = facts.energy
    if energy.silent:
        return None, energy.silent, "see whether a driver hangs: nvidia-smi, dmesg; till then configured watts are used"
    if energy.problem:
        remedy = (
            f"it has to belong to {facts.account} or root, to be executable, writable by nobody else, "
            "and to print watts=… or joules=… within 3 s"
        )
        return False, energy.problem, remedy
    rest = "the whole machine" if energy.whole else "the rest is configured watts"
    found = f"measured by {', '.join(energy.counted)}; {rest}" if energy.counted else "nothing here counts it"
    if energy.closed:
        rule = RULE.format(account=facts.account)
        remedy = (
            f"as root, write into /etc/udev/rules.d/60-matins-energy.rules the line: {rule}; "
            "then: udevadm control --reload; udevadm trigger --action=add --subsystem-match=powercap"
        )
        return None, f"{found}; only root may read {', '.join(energy.closed)}", remedy
    remedy = f"configured watts are used; a program at {facts.hook} that asks a smart plug measures the whole machine"
    return True if energy.counted else None, found, remedy


ROWS: dict[str, Callable[[Facts], Judged]] = {
    "power command": _power_command,
    "suspend": _suspend,
    "Wake-on-LAN armed": _wake_armed,
    "Wake-on-LAN kept": _wake_kept,
    "firmware": _firmware,
    "Vulkan device": _vulkan,
    "disk": _disk,
    "clock": _clock,
    "toolchain": _toolchain,
    "cgroups": _cgroups,
    "sandbox": _sandbox,
    "detached": _detached,
    "energy": _energy,
}
"""Each prerequisite by name, and what judges it. The key and the host's key are proven by the question itself."""
