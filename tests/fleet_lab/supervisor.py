"""The lab's own process: process 1 of a pid namespace, so that its end, by whatever cause, is the end of everything.

It ends when its user's end of the socket closes, which the kernel does for a user that was killed, too. Requests and
answers are lines of JSON: {"verb", "machine", …} and {"answer"} or {"error"}.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import json
import os
import selectors
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.fleet_lab import faults, kernel, network, world
from tests.fleet_lab.box import Box
from tests.fleet_lab.power import Blueprint, Timing

POLL_S = 0.2


class Supervisor:
    def __init__(self, user: socket.socket, order: dict[str, Any]) -> None:
        self._user = user
        self._lines = user.makefile("r", encoding="utf-8")
        self._folder = Path(order["folder"])
        self._group = Path(order["group"])
        self._timers: list[tuple[float, int, Callable[[], object]]] = []
        self._count = itertools.count()
        blueprints = [Blueprint(**{**each, "timing": Timing(**each["timing"])}) for each in order["machines"]]
        disks = self._folder / "disks"
        disks.mkdir()
        kernel.mount("tmpfs", disks, "tmpfs", options="mode=700")
        self.orchestrator, wires = network.build(blueprints, uplink=order["uplink"])
        hosts = "".join(f"{blueprint.ip} {blueprint.name}\n" for blueprint in blueprints)
        (self._group / "orchestrator").mkdir()
        self.boxes: dict[str, Box] = {}
        for blueprint in blueprints:
            name = blueprint.name
            disk = world.Disk(folder=disks / name)
            keys = {world.HOST_KEY: self._folder / f"{name}-key", world.OTHER_HOST_KEY: self._folder / "other-key"}
            authorized = (self._folder / "key.pub").read_text()
            world.format_disk(disk, name, hosts, authorized, keys, "gs" if blueprint.secureon else "g")
            shared = tuple(order["shared"])
            self.boxes[name] = Box(blueprint, wires[name], disk, self._group / name, shared, self._after)
        self.disks = os.open(disks, os.O_PATH | os.O_DIRECTORY)

    def serve(self) -> None:
        """Until the user is gone."""
        socket.send_fds(self._user, [b"+"], [self.orchestrator, self.disks])
        with self._user:
            while self._turn():
                pass

    def close(self) -> None:
        for box in self.boxes.values():
            box.press("cut")
        kernel.remove_group(self._group)
        # A folder that something is mounted on cannot be removed.
        kernel.unmount(str(self._folder / "disks"))
        shutil.rmtree(self._folder, ignore_errors=True)

    def _turn(self) -> bool:
        with selectors.DefaultSelector() as selector:
            selector.register(self._user, selectors.EVENT_READ)
            for box in self.boxes.values():
                selector.register(box.card, selectors.EVENT_READ, box.hear)
                selector.register(box.switch, selectors.EVENT_READ, box.obey_guest)
                if box.init is not None:
                    selector.register(box.init, selectors.EVENT_READ, box.attend)
            ready = selector.select(self._next_s())
        for key, _events in ready:
            if key.data is not None:
                key.data()
            elif not self._answer():
                return False
        self._bury()
        self._ring()
        return True

    def _answer(self) -> bool:
        try:
            line = self._lines.readline()
        except ConnectionError:
            return False
        if not line:
            return False
        try:
            said = {"answer": self._do(json.loads(line))}
        except (OSError, KeyError, ValueError) as error:
            said = {"error": f"{type(error).__name__}: {error}"}
        self._user.sendall(json.dumps(said).encode() + b"\n")
        return True

    def _do(self, asked: dict[str, Any]) -> Any:
        box = self.boxes[asked["machine"]]
        match asked["verb"]:
            case "state":
                return box.state()
            case "packets":
                return [asdict(packet) for packet in box.packets]
            case "order":
                return box.order(faults.ordered(asked["fault"], asked["seconds"]))
            case "press":
                return box.press(asked["event"])
            case verb:
                raise ValueError(f"no such verb: {verb}")

    def _after(self, seconds: float, act: Callable[[], object]) -> None:
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._count), act))

    def _next_s(self) -> float:
        return max(0.0, min(POLL_S, self._timers[0][0] - time.monotonic())) if self._timers else POLL_S

    def _ring(self) -> None:
        while self._timers and self._timers[0][0] <= time.monotonic():
            heapq.heappop(self._timers)[2]()

    def _bury(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while (pid := os.waitpid(-1, os.WNOHANG)[0]) != 0:
                for box in self.boxes.values():
                    box.bury(pid)


def main() -> None:
    user = socket.socket(fileno=int(sys.argv[1]))
    # Process 1 takes no signal that it has no handler for, so a terminal's Ctrl-C is for the user alone.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    kernel.name_process("fleet-lab")
    supervisor = Supervisor(user, json.loads(sys.argv[2]))
    try:
        supervisor.serve()
    finally:
        supervisor.close()


if __name__ == "__main__":
    main()
