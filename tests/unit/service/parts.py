"""What the rig is made of: a clock that a test moves, a doorbell that writes down who rang, a wire that fails on
demand, a store in which a process can die."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Any, BinaryIO

from sqlmodel import Session

from orchestrator.errors import LinkError, LinkRefused
from orchestrator.machines.fake import FakeLink
from orchestrator.store.engine import Store
from runner_agent.protocol import LaunchSpec
from tests.unit.planning.builders import NOW

Fault = BaseException | Callable[[], None]


class Died(BaseException):
    """The process is gone at this very point. No code catches it, as none runs after kill -9."""


class Clock:
    def __init__(self, at: datetime = NOW) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def advance(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


class Bell:
    """Writes down who rang. `deaf`: what is rung is lost. Ticks that wait share one, as those of a worker do: it comes
    after the last of them, and sees all."""

    def __init__(self) -> None:
        self.rung: list[tuple[str, Any]] = []
        self.deaf = False

    def tick(self) -> None:
        if ("tick", None) not in self.rung:
            self._ring("tick", None)

    def observe(self, runner: str) -> None:
        self._ring("observe", runner)

    def perform(self, act_id: int) -> None:
        self._ring("perform", act_id)

    def _ring(self, who: str, what: Any) -> None:
        if not self.deaf:
            self.rung.append((who, what))


class Wire:
    """The link to one runner. `before` and `after` hold by verb what happens once instead of, or after, the call: an
    error, or something that others do while the caller is held up. A launch in `delayed` fails, and arrives when the
    test says `deliver`."""

    def __init__(self, runner: FakeLink) -> None:
        self.runner = runner
        self.before: dict[str, list[Fault]] = {}
        self.after: dict[str, list[Fault]] = {}
        self.delayed = 0
        self.packets: list[LaunchSpec] = []
        self.calls: Counter[str] = Counter()

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            self._meet(self.before, verb)
            if verb == "launch" and self.delayed:
                self.delayed -= 1
                self.packets.append(arguments[0])
                raise LinkError("no answer in 20 s")
            self.calls[verb] += 1
            answer = getattr(self.runner, verb)(*arguments)
            self._meet(self.after, verb)
            return answer

        return call

    @contextmanager
    def pull(self, request: Any) -> Iterator[BinaryIO]:
        self._meet(self.before, "pull")
        self.calls["pull"] += 1
        with self.runner.pull(request) as stream:
            yield stream
        self._meet(self.after, "pull")

    def deliver(self) -> None:
        """The launches that were delayed arrive, whatever has happened since; nobody waits for the answers."""
        packets, self.packets = self.packets, []
        for spec in packets:
            with suppress(LinkError, LinkRefused):
                self.runner.launch(spec)

    @staticmethod
    def _meet(faults: dict[str, list[Fault]], verb: str) -> None:
        for key in (verb, "any"):
            if faults.get(key):
                fault = faults[key].pop(0)
                if isinstance(fault, BaseException):
                    raise fault
                fault()


class MortalStore(Store):
    """`die_in` counts writing transactions: the process dies in the one that reaches 0, before or after its commit."""

    die_in = 0
    die_after_commit = False

    @contextmanager
    def writing(self) -> Iterator[Session]:
        self.die_in -= 1
        now = self.die_in == 0
        with super().writing() as session:
            yield session
            if now and not self.die_after_commit:
                raise Died
        if now:
            raise Died
