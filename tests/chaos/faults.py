"""The faults, in one table. Each looks for something it can be done to, does it, and says what it did; None where there
was nothing to do it to, so that only faults that really happened are counted. What has to be undone is scheduled."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import httpx

from orchestrator.failpoints import POINTS as ORCHESTRATOR_POINTS
from runner_agent.failpoints import POINTS as RUNNER_POINTS
from tests.chaos.rig import marker
from tests.chaos.scene import Scene, asked, disarm_runner, revive_later, send, started, take_back, thaw

FOREVER_ARMED_S = 20.0
"""A failpoint that nothing came by in this time is taken back."""
STOPPABLE = ("supervisor-", "session-", "awaiting-", "grade-before-evidence", "pack-", "exit-")
"""Points that only a supervisor comes by: one that stops there can be found, and set going again."""


Fault = Callable[[Scene], str | None]


def kill_part(scene: Scene) -> str | None:
    part = scene.part()
    if part is None:
        return None
    part.kill()
    revive_later(scene, part)
    return part.log.name


def freeze_part(scene: Scene) -> str | None:
    part = scene.part()
    if part is None:
        return None
    part.freeze()
    scene.later(scene.soon(), lambda: part.thaw() if part.runs() else None)
    return part.log.name


def arm_part(scene: Scene) -> str | None:
    """The next one is started with a failpoint; that it died there is counted by `died_at_failpoints`."""
    part = scene.part()
    if part is None:
        return None
    part.kill()
    name, hit = scene.random.choice(list(ORCHESTRATOR_POINTS)), scene.random.randint(1, 3)
    scene.armed[part.log.name] = name
    scene.start(part, f"{name}=kill:{hit}")
    return f"{part.log.name}, the next one armed with {name}"


def kill_supervisor(scene: Scene) -> str | None:
    found = scene.supervisor()
    return send(found[1], signal.SIGKILL, found[0]) if found else None


def freeze_supervisor(scene: Scene) -> str | None:
    found = scene.supervisor()
    if found is None:
        return None
    attempt, pid = found
    began = started(pid)
    scene.later(scene.soon(), lambda: thaw(pid, began))
    return send(pid, signal.SIGSTOP, attempt)


def kill_agent(scene: Scene) -> str | None:
    agents = {pid: what for pid, what in scene.rig.processes().items() if what.startswith("agent")}
    if not agents:
        return None
    pid = scene.random.choice(sorted(agents))
    attempt = marker(pid, "MATINS_ATTEMPT")
    return send(pid, signal.SIGKILL, agents[pid]) if attempt and attempt in agents[pid] else None


def arm_runner(scene: Scene) -> str | None:
    """Puts a failpoint into a runner's home; it is counted once it has fired, by `fired_on_runners`."""
    machine = scene.machine()
    path = machine.home / "failpoints"
    if machine.name in scene.armed_homes or not machine.home.is_dir():
        return None
    name = scene.random.choice(list(RUNNER_POINTS))
    action = scene.random.choice(("kill", "stop")) if name.startswith(STOPPABLE) else "kill"
    draft = path.with_name("failpoints.draft")
    draft.write_text(f"{name} {action}\n")
    draft.rename(path)
    scene.armed_homes[machine.name] = f"{name} {action}"
    scene.later(FOREVER_ARMED_S, lambda: disarm_runner(scene, machine))
    return None


def delete_attempt(scene: Scene) -> str | None:
    """The folder of a live attempt goes, as if its disk had lost it."""
    found = scene.supervisor()
    machine = scene.rig.machine_of(found[0]) if found else None
    if found is None or machine is None:
        return None
    lost = machine.home / "lost"
    lost.mkdir(exist_ok=True)
    try:
        (machine.attempts / found[0]).rename(lost / found[0])
    except OSError:
        return None
    return f"{machine.name} {found[0]}"


def upset_network(scene: Scene) -> str | None:
    found = scene.proxied()
    if found is None:
        return None
    machine, proxy = found
    count, stall_s = scene.random.randint(10, 20_000), scene.random.uniform(0.5, 2.0)
    ways: dict[str, Callable[[], None]] = {
        "blackhole": proxy.blackhole,
        "half-open up": lambda: proxy.half_open("up"),
        "half-open down": lambda: proxy.half_open("down"),
        "hold": proxy.hold,
        "stall": lambda: proxy.stall(stall_s, times=3),
        "reset up": lambda: proxy.reset_after(count, "up"),
        "reset down": lambda: proxy.reset_after(count, "down"),
        "refuse": proxy.refuse,
        "cut": proxy.cut,
    }
    way = scene.random.choice(list(ways))
    ways[way]()
    scene.later(scene.soon(), proxy.heal)
    return f"{machine.name} {way}"


def kill_sshd(scene: Scene) -> str | None:
    far = [machine for machine in scene.rig.machines if machine.sshd is not None]
    if not far:
        return None
    machine = scene.random.choice(far)
    sshd = machine.sshd
    assert sshd is not None
    if not sshd.sessions():
        return None
    if scene.random.random() < 0.5:
        sshd.kill_sessions()
        return f"{machine.name} sessions"
    sshd.kill()
    sshd.start()
    return f"{machine.name} listener"


def cancel(scene: Scene) -> str | None:
    going = scene.in_flight()
    if not going:
        return None
    one = scene.random.choice(going)
    return one if asked(scene, f"episodes/{one}/cancel", None) else None


def declare_dead(scene: Scene) -> str | None:
    """By force, as an operator may do of a machine that is in fact alive; it is taken back a little later."""
    machine = scene.machine()
    told = {"by": "chaos", "reason": "chance", "force": True}
    if not asked(scene, f"runners/{machine.name}/declare-dead", told):
        return None
    scene.later(scene.soon(), lambda: take_back(scene, machine))
    return machine.name


def retry(scene: Scene) -> str | None:
    try:
        ended = [e["id"] for e in scene.rig.api.episodes() if e["phase"] in ("FAILED", "CANCELLED")]
    except httpx.HTTPError:
        return None
    one = scene.random.choice(ended) if ended else None
    return one if one and asked(scene, f"episodes/{one}/retry", {"by": "chaos"}) else None


def flush_broker(scene: Scene) -> str | None:
    return _with_broker(scene, lambda client: client.flushall(), "flushed")


def muddle_broker(scene: Scene) -> str | None:
    noise = scene.random.choice(
        [b"", b"{", b"[]", b'{"body": 1}', b"\xff\xfe", b'{"headers": {"task": "matins.tick"}}']
    )
    return _with_broker(scene, lambda client: client.lpush("celery", noise), f"{noise!r}")


def double_doorbells(scene: Scene) -> str | None:
    def ring_again(client: Any) -> bool:
        waiting = client.lrange("celery", 0, 20)
        return bool(waiting) and bool(client.lpush("celery", *(waiting * 5)))

    return _with_broker(scene, ring_again, "five times what waited")


def kill_broker(scene: Scene) -> str | None:
    broker = scene.rig.broker
    if broker is None or not broker.answers():
        return None
    broker.kill()
    scene.later(scene.random.uniform(0.0, 3.0), broker.start)
    return "killed"


def freeze_database(scene: Scene) -> str | None:
    database = scene.rig.database
    if database is None:
        return None
    database.freeze()
    scene.later(scene.soon(), database.thaw)
    return "frozen"


FAULTS: dict[str, tuple[Fault, int]] = {
    "orchestrator killed": (kill_part, 3),
    "orchestrator frozen": (freeze_part, 2),
    "orchestrator killed, armed with a failpoint": (arm_part, 4),
    "supervisor killed": (kill_supervisor, 3),
    "supervisor frozen": (freeze_supervisor, 2),
    "agent killed": (kill_agent, 2),
    "runner hit at a failpoint": (arm_runner, 4),
    "attempt's folder deleted": (delete_attempt, 1),
    "network upset": (upset_network, 5),
    "sshd killed": (kill_sshd, 2),
    "episode cancelled": (cancel, 2),
    "runner declared dead": (declare_dead, 1),
    "episode retried by hand": (retry, 1),
    "broker flushed": (flush_broker, 2),
    "broker muddled": (muddle_broker, 2),
    "doorbells doubled": (double_doorbells, 2),
    "broker killed": (kill_broker, 1),
    "database frozen": (freeze_database, 1),
}
"""Fault → how it is done, and how often it is chosen."""


def _with_broker(scene: Scene, act: Callable[[Any], Any], said: str) -> str | None:
    if scene.rig.broker is None:
        return None
    try:
        with scene.rig.broker.client() as client:
            return said if act(client) else None
    except Exception:  # it is down, as another fault had it
        return None
