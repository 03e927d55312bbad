"""What is said of one device of a runner, as typed: "UUID tag=big busy=350 idle=20 price-per-hour=0.1". Pure."""

from __future__ import annotations

from typing import Any

from orchestrator.cli.errors import WrongInput

FORM = '"UUID tag=T asleep=W idle=W busy=W price-per-hour=USD"'
WATTS = ("asleep", "idle", "busy")
PRICE = "price-per-hour"


def gpu(text: str) -> dict[str, Any]:
    """The API's form of it. Raises WrongInput."""
    device, *facts = text.split() or [""]
    if not device or "=" in device:
        raise WrongInput(f"--gpu does not say which device: {text!r}.", f"Write it as --gpu {FORM}.")
    found: dict[str, Any] = {"uuid": device, "tags": [], "watts": {}}
    for fact in facts:
        name, _, value = fact.partition("=")
        if name == "tag" and value:
            found["tags"].append(value)
        elif name in WATTS and name not in found["watts"]:
            found["watts"][name] = _number(fact, value)
        elif name == PRICE and "price_per_hour" not in found:
            found["price_per_hour"] = _number(fact, value)
        else:
            raise _not_understood(fact)
    return found


def _number(fact: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise _not_understood(fact)
    return number


def _not_understood(fact: str) -> WrongInput:
    return WrongInput(f"--gpu does not understand {fact!r}.", f"Write it as --gpu {FORM}.")
