"""What an operator says of single devices of a runner: tags and prices, by deviceUUID."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, Field

from orchestrator.domain.device import DevicePrices
from orchestrator.errors import BadInput
from orchestrator.store.tables import RunnerRow

SAID = ("tags", "prices")
"""What an operator says of a device; the rest is judged."""


class WattsBody(BaseModel):
    asleep: float = Field(default=0.0, ge=0)
    idle: float = Field(default=0.0, ge=0)
    busy: float = Field(default=0.0, ge=0)


class MachineWattsBody(WattsBody):
    """`rest`: what the machine draws beside that which its own instruments measure."""

    rest: float = Field(default=0.0, ge=0)


class GpuBody(BaseModel):
    """One device. What it costs and draws comes on top of its machine."""

    uuid: str
    tags: list[str] = []
    price_per_hour: float = Field(default=0.0, ge=0)
    watts: WattsBody = WattsBody()


def said_of(gpus: Sequence[GpuBody]) -> dict[str, dict[str, Any]]:
    """By deviceUUID, the `RunnerRow.devices` of it. Raises BadInput."""
    said: dict[str, dict[str, Any]] = {}
    for gpu in gpus:
        name = _uuid(gpu.uuid)
        if name in said:
            raise BadInput(f"device {name} is named twice", "say all of a device at once")
        said[name] = {"tags": sorted(set(gpu.tags)), "prices": _prices(gpu)}
    return said


def refuse_unknown(said: Mapping[str, object], known: RunnerRow) -> None:
    """A device that the machine did not report. One that has not answered yet may have any. Raises BadInput."""
    if known.hello is None:
        return
    names = {str(gpu["device_uuid"]): str(gpu["name"]) for gpu in known.hello["gpus"]}
    for name in said:
        if name not in names and name not in known.devices:
            have = ", ".join(f"{uuid} ({called})" for uuid, called in names.items()) or "none"
            raise BadInput(
                f"runner {known.name} reported no device {name}", f"give the UUID of one that it reported: {have}"
            )


def merged(known: Mapping[str, Mapping[str, Any]], said: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """What is known of the devices once an operator has `said` that of some. How they are judged stays."""
    after = {name: dict(facts) for name, facts in known.items()}
    for name, facts in said.items():
        after[name] = {**after.get(name, {}), **facts}
    return after


def _uuid(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise BadInput(f"{text[:80]!r} is no deviceUUID", "`matins runner show` lists those of a runner") from None


def _prices(gpu: GpuBody) -> dict[str, float] | None:
    watts = gpu.watts
    prices = DevicePrices(
        hardware_usd_per_h=gpu.price_per_hour, asleep_w=watts.asleep, idle_w=watts.idle, busy_w=watts.busy
    )
    return vars(prices) if prices != DevicePrices() else None
