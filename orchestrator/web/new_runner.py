"""A runner as it is to be added: its body, and the row that it becomes once every part was found to be usable."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from orchestrator.domain.mac import parse_mac, parse_secureon
from orchestrator.domain.runner import Address, Health, Operation, Power, Prices, Service
from orchestrator.domain.wake import SleepKind
from orchestrator.errors import BadInput, Conflict, LinkError
from orchestrator.machines import host_keys, ssh, ssh_connect
from orchestrator.store.tables import RunnerRow
from orchestrator.web.new_devices import GpuBody, MachineWattsBody, merged, refuse_unknown, said_of

NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
INTERFACE = re.compile(r"[^\s/]{1,15}")

KEYS = ("host_key", "key_path")
WAKING = ("mac", "broadcast", "interface", "secureon", "sleeps")
STATED = ("tags", "agent_slots", "build_slots", "buffer_slots", "prices")

WATTS = {"asleep": "asleep_w", "idle": "idle_w", "busy": "busy_w", "rest": "rest_w"}
PRICES = {"price_per_hour": "hardware_usd_per_h", "price_per_kwh": "energy_usd_per_kwh"}
"""By the name in a request, the name in `domain.runner.Prices`."""


class SlotsBody(BaseModel):
    agent: int = Field(default=1, ge=1, le=64)
    build: int = Field(default=1, ge=1, le=64)
    buffer: int | None = Field(default=None, ge=0, le=64)


class HostBody(BaseModel):
    """Whose host key is wanted."""

    host: str
    port: int = Field(default=22, ge=1, le=65535)


class RunnerBody(BaseModel):
    """A runner to add. Prices in USD, power in watts. From `host` to `home` it is for kind "ssh" only: `key_path` is a
    private key on the orchestrator's machine, `host_key` "TYPE BASE64", `home` a folder on the runner, from its
    account's home unless absolute. `mac` to `sleeps`: how it is woken, and put to sleep ("suspend" or "power-off");
    without `mac` it is neither. `line` is where an imported file names it. `gpus`: what is to be said of single
    devices; tags, prices and watts beside it are those of the machine."""

    name: str
    kind: str = "local"
    host: str = ""
    port: int = Field(default=22, ge=1, le=65535)
    user: str = ""
    key_path: str = ""
    host_key: str = ""
    home: str = ssh.DEFAULT_HOME
    mac: str = ""
    broadcast: str = ""
    interface: str = ""
    secureon: str = ""
    sleeps: str = ""
    line: int = 0
    tags: list[str] = []
    slots: SlotsBody = SlotsBody()
    price_per_hour: float = Field(default=0.0, ge=0)
    watts: MachineWattsBody = MachineWattsBody()
    price_per_kwh: float = Field(default=0.0, ge=0)
    gpus: list[GpuBody] = Field(default=[], max_length=64)


def new_row(body: RunnerBody, now: datetime) -> RunnerRow:
    """Raises BadInput."""
    _check_name(body)
    address = _address(body)
    prices = Prices(
        hardware_usd_per_h=body.price_per_hour,
        asleep_w=body.watts.asleep,
        idle_w=body.watts.idle,
        busy_w=body.watts.busy,
        rest_w=body.watts.rest,
        energy_usd_per_kwh=body.price_per_kwh,
    )
    return RunnerRow(
        name=body.name,
        kind=body.kind,
        host=address.host,
        port=address.port,
        ssh_user=address.user,
        key_path=address.key_path,
        host_key=address.host_key,
        home=address.home,
        **_waking(body),
        power=str(Power.UNKNOWN),
        operation=str(Operation.NONE),
        service=str(Service.IN_SERVICE),
        health=str(Health.UNKNOWN),
        agent_slots=body.slots.agent,
        build_slots=body.slots.build,
        buffer_slots=body.slots.buffer,
        tags=sorted(set(body.tags)),
        prices=vars(prices),
        devices=said_of(body.gpus),
        link_errors={},
        observe_after=now,
        added_at=now,
    )


def faults(body: RunnerBody) -> list[BadInput]:
    """All that is wrong with it, and not only the first."""
    found: list[BadInput] = []
    for check in (_check_name, _waking, _address, lambda each: said_of(each.gpus)):
        try:
            check(body)
        except BadInput as error:
            found.append(error)
    return found


def _check_name(body: RunnerBody) -> None:
    if not NAME.fullmatch(body.name):
        raise BadInput(f"{body.name!r} is not a runner's name", "use a-z, 0-9 and - (at most 63)")


def _waking(body: RunnerBody) -> dict[str, Any]:
    """The columns of how it is woken and put to sleep. Raises BadInput."""
    given = [name for name in WAKING if getattr(body, name)]
    if given and body.kind == "local":
        raise BadInput(f"a local runner has no {given[0]}", "it cannot wake itself; add sleeping machines over SSH")
    if given and not body.mac:
        raise BadInput(f"{given[0]} is of no use without a MAC address", "give the MAC address of its network card")
    if not body.mac:
        return {}
    try:
        mac = parse_mac(body.mac)
        secureon = parse_secureon(body.secureon) if body.secureon else ""
        broadcast = str(ipaddress.IPv4Address(body.broadcast)) if body.broadcast else ""
    except ValueError as error:
        raise BadInput(str(error), "`ip link` on the runner shows its MAC, `ip -4 address` its broadcast") from None
    if body.interface and not INTERFACE.fullmatch(body.interface):
        raise BadInput(
            f"{body.interface[:80]!r} is no interface", "name one of the orchestrator's, or its IPv4 address"
        )
    if body.sleeps and body.sleeps not in list(SleepKind):
        raise BadInput(f"there is no way to sleep called {body.sleeps!r}", f"one of {', '.join(SleepKind)}")
    return {
        "mac": mac,
        "broadcast": broadcast,
        "interface": body.interface,
        "secureon": secureon,
        "sleeps": body.sleeps or str(SleepKind.SUSPEND),
    }


def _address(body: RunnerBody) -> Address:
    """Where the runner is, once every part of it was found to be usable. Raises BadInput."""
    if body.kind == "local":
        return Address(runner=body.name, kind="local")
    if body.kind != "ssh":
        raise BadInput(f"there are no runners of kind {body.kind!r}", 'use "local" or "ssh"')
    address = Address(
        runner=body.name,
        kind="ssh",
        host=body.host,
        port=body.port,
        user=body.user,
        key_path=body.key_path,
        host_key=host_keys.read(body.host_key).text,
        home=body.home,
    )
    ssh.check(address)
    if not Path(body.key_path).is_absolute():
        raise BadInput(
            f"{body.key_path!r} is no absolute path", "name a private key file of the orchestrator's machine"
        )
    try:
        ssh_connect.load_key(Path(body.key_path))
    except LinkError as error:
        raise BadInput(str(error), "name a private key file that the orchestrator can use") from error
    return address


def changes(row: RunnerRow, known: RunnerRow, body: RunnerBody) -> dict[str, Any] | None:
    """What adding a known runner again changes: its keys, how it is woken, its tags, slots and prices, and what was
    said of its devices. None if that is another machine, or another place on it. What was not given stays. Raises
    BadInput for devices that the known one has not."""
    if known.kind != row.kind or _place(row) != _place(known):
        return None
    given = [name for name in (*KEYS, *WAKING) if getattr(body, name) or (name == "sleeps" and not known.sleeps)]
    new = {name: getattr(row, name) for name in given if getattr(row, name) != getattr(known, name)}
    refuse_unknown(row.devices, known)
    devices = merged(known.devices, row.devices)
    stated = _stated(row, known, body) | {"devices": devices}
    return new | {name: value for name, value in stated.items() if value != getattr(known, name)}


def _stated(row: RunnerRow, known: RunnerRow, body: RunnerBody) -> dict[str, Any]:
    """The columns of what an operator states of the whole machine, with what was given this time."""
    columns: dict[str, Any] = {f"{name}_slots": getattr(body.slots, name) for name in body.slots.model_fields_set}
    given = {WATTS[name] for name in body.watts.model_fields_set}
    given |= {column for name, column in PRICES.items() if name in body.model_fields_set}
    columns["prices"] = known.prices | {name: row.prices[name] for name in given}
    return columns | ({"tags": row.tags} if row.tags else {})


def refuse_twin(row: RunnerRow, others: Sequence[RunnerRow]) -> None:
    """Two runners with one home would each report the other's attempts."""
    for other in others:
        if row.kind == other.kind == "ssh" and _place(row) == _place(other):
            raise Conflict(f"runner {other.name!r} has that home already", "give another --home")


def _place(row: RunnerRow) -> tuple[str, int, str, str]:
    return row.host, row.port, row.ssh_user, row.home
