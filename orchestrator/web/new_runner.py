"""A runner as it is to be added: its body, and the row that it becomes once every part was found to be usable."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, Field

from orchestrator.domain.runner import Address, Health, Operation, Power, Prices, Service
from orchestrator.errors import BadInput, Conflict, LinkError
from orchestrator.machines import host_keys, ssh, ssh_connect
from orchestrator.store.tables import RunnerRow

NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


class SlotsBody(BaseModel):
    agent: int = Field(default=1, ge=1, le=64)
    build: int = Field(default=1, ge=1, le=64)


class WattsBody(BaseModel):
    asleep: float = Field(default=0.0, ge=0)
    idle: float = Field(default=0.0, ge=0)
    busy: float = Field(default=0.0, ge=0)


class HostBody(BaseModel):
    """Whose host key is wanted."""

    host: str
    port: int = Field(default=22, ge=1, le=65535)


class RunnerBody(BaseModel):
    """A runner to add. Prices in USD, power in watts. From `host` to `home` it is for kind "ssh" only: `key_path` is a
    private key on the orchestrator's machine, `host_key` "TYPE BASE64", `home` a folder on the runner, from its
    account's home unless absolute."""

    name: str
    kind: str = "local"
    host: str = ""
    port: int = Field(default=22, ge=1, le=65535)
    user: str = ""
    key_path: str = ""
    host_key: str = ""
    home: str = ssh.DEFAULT_HOME
    tags: list[str] = []
    slots: SlotsBody = SlotsBody()
    price_per_hour: float = Field(default=0.0, ge=0)
    watts: WattsBody = WattsBody()
    price_per_kwh: float = Field(default=0.0, ge=0)


def new_row(body: RunnerBody, now: datetime) -> RunnerRow:
    """Raises BadInput."""
    if not NAME.fullmatch(body.name):
        raise BadInput(f"{body.name!r} is not a runner's name", "use a-z, 0-9 and - (at most 63)")
    address = _address(body)
    prices = Prices(
        hardware_usd_per_h=body.price_per_hour,
        asleep_w=body.watts.asleep,
        idle_w=body.watts.idle,
        busy_w=body.watts.busy,
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
        power=str(Power.UNKNOWN),
        operation=str(Operation.NONE),
        service=str(Service.IN_SERVICE),
        health=str(Health.UNKNOWN),
        agent_slots=body.slots.agent,
        build_slots=body.slots.build,
        tags=sorted(set(body.tags)),
        prices=vars(prices),
        link_errors={},
        observe_after=now,
        added_at=now,
    )


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


def pins_anew(row: RunnerRow, known: RunnerRow) -> bool:
    """Whether it is the runner that is known, at the same place, with another key of host or account."""
    same = row.kind == known.kind == "ssh" and _place(row) == _place(known)
    return same and (row.host_key, row.key_path) != (known.host_key, known.key_path)


def refuse_twin(row: RunnerRow, others: Sequence[RunnerRow]) -> None:
    """Two runners with one home would each report the other's attempts."""
    for other in others:
        if row.kind == other.kind == "ssh" and _place(row) == _place(other):
            raise Conflict(f"runner {other.name!r} has that home already", "give another --home")


def _place(row: RunnerRow) -> tuple[str, int, str, str]:
    return row.host, row.port, row.ssh_user, row.home
