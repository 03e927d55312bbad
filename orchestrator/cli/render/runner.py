"""Runners as text."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.cli.answers import LastCanary, Proof, Runner
from orchestrator.cli.render import values
from orchestrator.cli.render.devices import device_facts, gpu_names, prices_text
from orchestrator.cli.render.tables import Column

COLUMNS = (
    Column(title="NAME"),
    Column(title="KIND", drop=3),
    Column(title="STATE"),
    Column(title="GPU", cut=True),
    Column(title="SLOTS", drop=2),
    Column(title="RUNNING", right=True, drop=1),
    Column(title="TAGS", drop=5, cut=True),
    Column(title="LAST SEEN", drop=4),
)


def row(runner: Runner) -> list[str]:
    return [
        runner.name,
        runner.kind,
        runner.state,
        gpu_names(runner),
        _slots(runner),
        str(len(runner.running)),
        values.text(" ".join(runner.tags)),
        values.time(runner.last_seen),
    ]


def details(runner: Runner) -> Iterator[str]:
    """All that is known of it, a line per fact."""
    facts = {
        "state": runner.state,
        "detail": runner.detail,
        "why": runner.why,
        "note": runner.note,
        "kind": runner.kind,
        "address": f"{runner.user}@{runner.host}:{runner.port}" if runner.host else None,
        "home": runner.home,
        "host key": runner.host_key,
        "mac": runner.mac,
        "woken from": runner.interface,
        "broadcast": runner.broadcast,
        "SecureOn": "a password" if runner.secureon else None,
        "sleeps by": runner.sleeps,
        "power": runner.power,
        "operation": runner.operation,
        "service": runner.service,
        "health": _health(runner),
        "canary due": runner.canary_due,
        "last canary": _canary(runner.canary),
        "slots": _slots(runner),
        "tags": " ".join(runner.tags),
        "prices": prices_text(runner.prices or {}),
        "running": " ".join(runner.running),
        "last seen": values.time(runner.last_seen),
        "os": runner.os,
    }
    yield runner.name
    hello = runner.hello or {}
    told = {name.replace("_", " "): hello.get(name) for name in _TOLD}
    devices = (fact for device in runner.devices for fact in device_facts(device))
    proofs = (_proof(proof) for proof in runner.campaigns if proof.in_force)
    for name, value in (*facts.items(), *proofs, *devices, *told.items()):
        if value not in (None, "", values.NONE):
            yield f"  {name:<17} {value}"
    tools = hello.get("tools")
    for name, version in sorted(tools.items()) if isinstance(tools, dict) else ():
        yield f"  {'tool':<17} {name} {version}"
    for event in runner.events:
        told = " ".join(f"{key}={value}" for key, value in (event.data or {}).items() if value not in (None, "", []))
        yield f"  {values.time(event.at)}  {event.event} by {values.text(event.actor)}  {told}".rstrip()


def _health(runner: Runner) -> str:
    """With since when, by whom and why, if it ever changed."""
    last = runner.judged
    why = f" since {values.time(last.at)} by {last.actor}: {last.reason}" if last else ""
    return values.text(runner.health) + why


def _canary(last: LastCanary | None) -> str:
    if last is None:
        return ""
    verdict = {True: "passed", False: "failed", None: last.phase}[last.passed]
    at = f" at {values.time(last.ended_at)}" if last.ended_at else ""
    return f"{last.episode} {verdict}{at}" + (f": {last.reason}" if last.reason else "")


def _proof(proof: Proof) -> tuple[str, str]:
    by = f"(preflight {proof.episode}, {values.time(proof.at)})"
    if proof.accepted:
        return "proven for", f"{proof.campaign} {by}"
    return "refused", f"{proof.campaign} {by}: {proof.detail}"


_TOLD = (
    "hostname",
    "agent_version",
    "python",
    "cpus",
    "memory_bytes",
    "disk_free_bytes",
    "gpu_problem",
    "sandbox",
    "sandbox_problem",
    "quiescence",
    "wake_on_lan",
    "boot_id",
)


def _slots(runner: Runner) -> str:
    return values.text(",".join(f"{name}={count}" for name, count in (runner.slots or {}).items()))
