"""`matins runner …`"""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from orchestrator.cli import terminal
from orchestrator.cli.answers import Runner, listed, read
from orchestrator.cli.client import Client, segment
from orchestrator.cli.connection import connection
from orchestrator.cli.errors import Failed, WrongInput
from orchestrator.cli.gpus import gpu
from orchestrator.cli.render import values
from orchestrator.cli.render.runner import COLUMNS, details, row
from orchestrator.cli.render.tables import show_table

RUNNERS = "/api/v1/runners"
WATTS = ("asleep", "idle", "busy", "rest")


@dataclass(frozen=True, kw_only=True)
class NewRunner:
    """As typed; `slots` and `watts` are comma-separated `name=number` pairs, `gpus` as `cli.gpus` reads them."""

    name: str
    local: bool = False
    host: str | None = None
    port: int | None = None
    user: str | None = None
    key: Path | None = None
    host_key: str | None = None
    home: str | None = None
    mac: str | None = None
    broadcast: str | None = None
    interface: str | None = None
    secureon: str | None = None
    sleeps: str | None = None
    slots: str | None = None
    tags: tuple[str, ...] = ()
    price_per_hour: float | None = None
    watts: str | None = None
    price_per_kwh: float | None = None
    gpus: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The API's form of it, without what was not given. Raises WrongInput."""
        body = {"name": self.name, "tags": list(self.tags), **self._place()}
        slots = pairs(self.slots, "--slots", ("agent", "build", "buffer"))
        given = {
            "slots": {name: whole(name, amount) for name, amount in slots.items()} or None,
            "price_per_hour": self.price_per_hour,
            "watts": pairs(self.watts, "--watts", WATTS) or None,
            "price_per_kwh": self.price_per_kwh,
            "gpus": [gpu(each) for each in self.gpus] or None,
        }
        return body | {name: value for name, value in given.items() if value is not None}

    def _place(self) -> dict[str, Any]:
        ssh = {
            "host": self.host,
            "port": self.port,
            "user": self.user,
            "key_path": str(self.key.expanduser().absolute()) if self.key else None,
            "host_key": self.host_key,
            "home": self.home,
            "mac": self.mac,
            "broadcast": self.broadcast,
            "interface": self.interface,
            "secureon": self.secureon,
            "sleeps": self.sleeps,
        }
        given = {name: value for name, value in ssh.items() if value is not None}
        if self.local and given:
            raise WrongInput(
                "A runner is this machine or reached over SSH.", "Give either --local or --host and so on."
            )
        if self.local:
            return {"kind": "local"}
        if self.host is None:
            raise WrongInput("Where the runner is was not said.", "Give --local for this machine, or --host H for SSH.")
        if self.user is None or self.key is None:
            raise WrongInput("Nobody can log in over SSH like this.", "Give --user U and --key FILE too.")
        return {"kind": "ssh", **given}


def add_runner(runner: NewRunner, *, as_json: bool) -> None:
    body = runner.as_json()
    with Client(connection()) as client:
        if body["kind"] == "ssh" and runner.host_key is None:
            body["host_key"] = _confirmed_key(client, runner)
        answer = client.post(RUNNERS, body)
    added = read(Runner, answer)
    if as_json:
        terminal.data_json(answer)
    else:
        terminal.data(f"{added.name}  {added.state}")


def _confirmed_key(client: Client, runner: NewRunner) -> str:
    """The key that the host offers now, if somebody at a terminal says that it is the right one."""
    key = offered_key(client, str(runner.host), runner.port or 22)
    if not sys.stdin.isatty():
        pinned = shlex.join(_command(replace(runner, host_key=key)))
        raise WrongInput(
            "The host's key was not given, and nobody is there to confirm it.", f"If it is right: {pinned}"
        )
    if not terminal.confirm("Is this the machine's key, to be pinned?"):
        raise Failed("The runner was not added.")
    return key


def offered_key(client: Client, host: str, port: int) -> str:
    """The key that a host shows now, "TYPE BASE64", after its fingerprint was shown. Raises Failed."""
    offered = client.post(f"{RUNNERS}/host-key", {"host": host, "port": port})
    key, fingerprint = str(offered.get("host_key")), str(offered.get("fingerprint"))
    terminal.note(f"{host}:{port} offers the host key {fingerprint} ({key.partition(' ')[0]}).")
    terminal.note("Compare it with what the machine itself says: ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub")
    return key


def _command(runner: NewRunner) -> list[str]:
    """The command line that adds it, as far as it names a place."""
    options = (
        ("--host", runner.host),
        ("--port", runner.port),
        ("--user", runner.user),
        ("--key", runner.key),
        ("--host-key", runner.host_key),
        ("--home", runner.home),
        ("--mac", runner.mac),
        ("--broadcast", runner.broadcast),
        ("--interface", runner.interface),
        ("--secureon", runner.secureon),
        ("--sleeps", runner.sleeps),
        ("--slots", runner.slots),
        *(("--tag", tag) for tag in runner.tags),
        ("--price-per-hour", runner.price_per_hour),
        ("--watts", runner.watts),
        ("--price-per-kwh", runner.price_per_kwh),
        *(("--gpu", each) for each in runner.gpus),
    )
    given = [part for name, value in options if value is not None for part in (name, str(value))]
    return ["matins", "runner", "add", runner.name, *given]


def list_runners(*, as_json: bool) -> None:
    with Client(connection()) as client:
        answer = client.get(RUNNERS)
    runners = listed(Runner, answer, "runners")
    if as_json:
        terminal.data_json(answer["runners"])
    elif runners:
        show_table(COLUMNS, [row(runner) for runner in runners])
    else:
        terminal.note("No runners. Add this machine with `matins runner add local --local`.")


def show_runner(name: str, *, as_json: bool) -> None:
    with Client(connection()) as client:
        answer = client.get(f"{RUNNERS}/{segment(name)}")
    runner = read(Runner, answer)
    if as_json:
        terminal.data_json(answer)
        return
    for line in details(runner):
        terminal.data(terminal.one_line(line))


def pairs(given: str | None, option: str, known: tuple[str, ...]) -> dict[str, float]:
    """`a=1,b=2.5` as numbers. Raises WrongInput for unknown or repeated names and for what is no number from 0 on."""
    found: dict[str, float] = {}
    form = ",".join(f"{name}=N" for name in known)
    for part in given.split(",") if given is not None else ():
        name, _, amount = part.partition("=")
        name = name.strip()
        try:
            number = float(amount)
        except ValueError:
            number = -1.0
        if name not in known or name in found or not 0 <= number < float("inf"):
            raise WrongInput(f"{option} does not understand {part!r}.", f"Write it as {option} {form}.")
        found[name] = number
    return found


def whole(name: str, amount: float) -> int:
    if amount != int(amount):
        raise WrongInput(f"--slots {name} should be a whole number, not {values.text(amount)}.", "As in agent=2.")
    return int(amount)
