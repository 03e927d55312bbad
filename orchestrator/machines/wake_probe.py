"""Waking one machine and proving it stage by stage: the order is decided in `planning.wake_steps`, the looking is
here."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Protocol

from orchestrator.domain.runner import Address
from orchestrator.domain.wake import GpuNeed, WakeAttempt, WakeRecord, WakeStage
from orchestrator.errors import LinkError, LinkRefused
from orchestrator.machines import neighbours
from orchestrator.machines.link import Link
from orchestrator.machines.ssh_connect import connect, shut
from orchestrator.machines.wol import WakeTarget, send_burst
from orchestrator.planning.power_rules import gpu_shown
from orchestrator.planning.wake_steps import LOOK_S, Look, Send, came, missed, next_step, sent
from runner_agent.protocol import Hello, ReportRequest

PAUSE_S = 0.5


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """Whether a stage came; `detail` says what was there instead."""

    came: bool
    detail: str = ""
    boot_id: str = ""


class Senses(Protocol):
    """What a wake needs of the outside world. Both raise LinkError, LinkRefused or OSError with what is wrong."""

    def send(self) -> int:
        """Sends a burst of magic packets; their number."""
        ...

    def look(self, stage: WakeStage, limit_s: float, age_s: float) -> Sighting:
        """Looks for a stage of a wake that began `age_s` ago."""
        ...


def prove(
    wake: WakeAttempt,
    senses: Senses,
    clock: Callable[[], datetime],
    pause: Callable[[float], None],
    slice_s: float,
) -> WakeAttempt | WakeRecord:
    """Goes on with a wake for about `slice_s` and one look more: the record if it ended, else how far it came, to be
    gone on with by whoever comes next."""
    until = clock() + timedelta(seconds=slice_s)
    while True:
        now = clock()
        step = next_step(wake, now)
        if isinstance(step, WakeRecord):
            return step
        if now >= until:
            return wake
        before = wake
        try:
            wake = _take(step, wake, senses, clock)
        except (LinkError, LinkRefused, OSError) as error:
            if not (wake.missing and _ran_out(step, error)):
                wake = missed(wake, _said(error))
        if len(wake.came) == len(before.came) and not (isinstance(step, Send) and wake.packets > before.packets):
            pause(PAUSE_S)


def _ran_out(step: Send | Look, error: Exception) -> bool:
    """Whether a look was cut short by the wake's own deadline: what was seen before says more."""
    late = isinstance(error, TimeoutError) or (isinstance(error, LinkError) and error.kind == "timeout")
    return late and isinstance(step, Look) and step.limit_s < LOOK_S[step.stage]


def _take(step: Send | Look, wake: WakeAttempt, senses: Senses, clock: Callable[[], datetime]) -> WakeAttempt:
    if isinstance(step, Send):
        return sent(wake, senses.send(), clock())
    age_s = (clock() - wake.started_at).total_seconds()
    seen = senses.look(step.stage, step.limit_s, age_s)
    return came(wake, step.stage, clock(), seen.boot_id) if seen.came else missed(wake, seen.detail)


class MachineSenses:
    """The real ones. `link` speaks with the agent; `knock` opens and closes an SSH session with the pinned host key,
    and raises LinkError where it does not come about; `gpu` is the device that is asked for."""

    def __init__(
        self, address: Address, target: WakeTarget, link: Link, knock: Callable[[float], None], gpu: GpuNeed
    ) -> None:
        self._address = address
        self._target = target
        self._link = link
        self._knock = knock
        self._gpu = gpu
        self._hello: Hello | None = None

    def send(self) -> int:
        return send_burst(self._target)

    def look(self, stage: WakeStage, limit_s: float, age_s: float) -> Sighting:
        looks: dict[WakeStage, Callable[[], Sighting]] = {
            WakeStage.LINK: lambda: self._look_for_link(limit_s, age_s),
            WakeStage.TCP: lambda: self._look_for_port(limit_s),
            WakeStage.SSH: lambda: self._look_for_session(limit_s),
            WakeStage.BOOT_ID: lambda: _within(limit_s, self._look_for_boot),
            WakeStage.HELLO: lambda: _within(limit_s, self._look_for_hello),
            WakeStage.VULKAN: lambda: _within(limit_s, self._look_for_gpu),
        }
        return looks[stage]()

    def _look_for_link(self, limit_s: float, age_s: float) -> Sighting:
        """An answer to ARP since the wake began. Behind a router there is none: there a TCP answer, even a refusal,
        shows the same."""
        host = socket.gethostbyname(self._address.host)
        neighbours.poke(host)
        ago_s = neighbours.confirmed_ago_s(host)
        if ago_s is not None and ago_s <= age_s:
            return Sighting(came=True)
        try:
            return self._look_for_port(limit_s)
        except ConnectionRefusedError:
            return Sighting(came=True)
        except OSError as error:
            return Sighting(came=False, detail=f"{host}: {_said(error)}")

    def _look_for_port(self, limit_s: float) -> Sighting:
        with socket.create_connection((self._address.host, self._address.port), timeout=limit_s):
            return Sighting(came=True)

    def _look_for_session(self, limit_s: float) -> Sighting:
        self._knock(limit_s)
        return Sighting(came=True)

    def _look_for_boot(self) -> Sighting:
        boot_id = self._link.report(ReportRequest(cursors={})).boot_id
        return Sighting(came=bool(boot_id), detail="the report names none", boot_id=boot_id)

    def _look_for_hello(self) -> Sighting:
        self._hello = self._link.hello()
        return Sighting(came=True, boot_id=self._hello.boot_id)

    def _look_for_gpu(self) -> Sighting:
        """The driver may come up later than sshd: a hello without a device is asked for again."""
        hello = self._hello or self._link.hello()
        self._hello = None
        has = gpu_shown(hello)
        if has is GpuNeed.ANY and self._gpu is GpuNeed.HARDWARE:
            return Sighting(came=False, detail="its driver lists only a device on the processors")
        return Sighting(came=has >= self._gpu, detail=hello.gpu_problem or "its driver lists none")


def machine_senses(address: Address, target: WakeTarget, link: Link, gpu: GpuNeed) -> MachineSenses:
    """Those of the real world."""
    return MachineSenses(address, target, link, knock(address), gpu)


def knock(address: Address) -> Callable[[float], None]:
    """Opens an SSH session as the link does, and ends it."""
    return lambda limit_s: shut(connect(address, limit_s))


def _within(limit_s: float, look: Callable[[], Sighting]) -> Sighting:
    """A call over the link has a bound of its own, and a longer one: a machine that died under it would hold up the
    end of its wake. Whoever goes on waiting for the answer is left behind, and ends with that bound."""
    answers: SimpleQueue[Sighting | Exception] = SimpleQueue()

    def ask() -> None:
        try:
            answers.put(look())
        except Exception as error:
            answers.put(error)

    Thread(target=ask, name="wake-look", daemon=True).start()
    try:
        answer = answers.get(timeout=max(0.0, limit_s))
    except Empty:
        raise TimeoutError from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def _said(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
