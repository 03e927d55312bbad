"""`make lab`: machines to play with, until the shell ends or Ctrl-C is pressed."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

from tests.components import or_exit
from tests.fleet_lab import FAULTS, FleetLab, Machine


@or_exit("the fleet lab cannot start")
def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fleet_lab", description="Virtual machines that sleep.")
    parser.add_argument("--machines", type=int, default=3, choices=range(1, 51), metavar="1-50")
    parser.add_argument("--order", action="append", default=[], metavar="NAME=FAULT", help=", ".join(FAULTS))
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, _stop)
    try:
        with FleetLab(given.machines) as lab:
            for order in given.order:
                name, _, fault = order.partition("=")
                lab.machine(name).order(fault)
            print(_introduction(lab), flush=True)
            _play(lab)
    except KeyboardInterrupt:
        print(file=sys.stderr)


def _play(lab: FleetLab) -> None:
    if sys.stdin.isatty():
        shell = os.environ.get("SHELL", "/bin/sh")
        prompt = {"PS1": "fleet lab $ "}
        print("This shell is on the orchestrator's machine. Leave it to end the lab.", flush=True)
        lab.run([shell], limit_s=None, stdin=None, capture_output=False, env={**os.environ, **prompt})
    else:
        print("Waiting for Ctrl-C.", flush=True)
        while True:
            signal.pause()


def _introduction(lab: FleetLab) -> str:
    python = sys.executable
    parts = [
        f"The orchestrator is {lab.address} on {lab.interface}; broadcasts go to {lab.broadcast}. Only what runs there",
        "reaches the machines, which are all off:",
        "",
        *(f"  {machine.name}  {machine.ip}  {machine.mac}  {machine.host_key}" for machine in lab.machines),
        "",
        "A program that runs there, from any terminal:",
        "",
        f"  {' '.join(lab.command('ip', 'addr')[4:-2])} PROGRAM",
        "",
        "To start Matins there, and to tell it of the machines:",
        "",
        f"  {python} -m orchestrator.cli up &",
        *(f"  {python} -m orchestrator.cli {_add(lab, machine)}" for machine in lab.machines),
        "",
        "To wake one and to look into it:",
        "",
        f"  {Path(python).with_name('wakeonlan')} {lab.machines[0].mac} -o {lab.broadcast}",
        f"  ssh -F none -i {lab.key} root@{lab.machines[0].ip}",
        "",
        "In it, `systemctl suspend` and `systemctl poweroff` send it to sleep.",
        "",
    ]
    return "\n".join(parts)


def _add(lab: FleetLab, machine: Machine) -> str:
    return (
        f"runner add {machine.name} --host {machine.ip} --user {machine.user} --key {lab.key} "
        f'--host-key "{machine.host_key}" --mac {machine.mac} --broadcast {lab.broadcast} --interface {lab.interface}'
    )


def _stop(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
