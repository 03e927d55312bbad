"""What rings, how often, and what becomes of a ring that nobody hears."""

from __future__ import annotations

import contextlib
import threading

import pytest
from celery import Celery

from orchestrator.service.celery_app import Shared, make_ringing_app
from orchestrator.service.doorbell import CeleryDoorbell
from tests.orchestrator import free_port


class Counting:
    """Stands where the application and its one connection would, and counts what is sent and how often that is given
    up."""

    def __init__(self, broken: bool = False) -> None:
        self.sent: list[tuple[str, tuple[object, ...]]] = []
        self.broken = broken
        self.given_up = 0
        self.producer_pool = self.connection = self

    def acquire(self, **_: object) -> contextlib.AbstractContextManager[Counting]:
        return contextlib.nullcontext(self)

    def collect(self) -> None:
        self.given_up += 1

    def send_task(self, task: str, args: tuple[object, ...], **_: object) -> None:
        self.sent.append((task, args))
        if self.broken:
            raise OSError("no route")


def bell(app: Counting | Celery) -> CeleryDoorbell:
    return CeleryDoorbell(app)  # pyright: ignore[reportArgumentType]


def test_an_act_that_was_just_rung_for_is_not_rung_for_again() -> None:
    app = Counting()
    doorbell = bell(app)
    for act in (1, 2, 1, 2, 1):
        doorbell.perform(act)
    assert app.sent == [("matins.perform", (1,)), ("matins.perform", (2,))]


def test_a_ring_that_fails_is_no_error_and_silences_the_bell_for_a_while() -> None:
    app = Counting(broken=True)
    doorbell = bell(app)
    for _ in range(5):
        doorbell.tick()
    assert len(app.sent) == 1


@pytest.mark.parametrize(("broken", "given_up"), [(False, 0), (True, 1)])
def test_a_connection_is_given_up_if_a_ring_failed_on_it(broken: bool, given_up: int) -> None:
    """It may be dead and look open, and the next ring would wait for it again."""
    app = Counting(broken)
    bell(app).tick()
    assert app.given_up == given_up


@pytest.mark.timeout(60)
def test_a_broker_that_does_not_answer_is_not_waited_for() -> None:
    """Celery would try again for ever."""
    doorbell = bell(make_ringing_app(f"redis://127.0.0.1:{free_port()}/0"))
    doorbell.tick()


def test_calls_that_come_while_the_work_is_done_share_one_more_turn_after_it() -> None:
    begun, go_on, turns = threading.Event(), threading.Event(), []

    def work() -> None:
        turns.append(1)
        begun.set()
        assert go_on.wait(60)

    shared = Shared(work)
    first = threading.Thread(target=shared)
    first.start()
    assert begun.wait(60)
    for _ in range(5):
        shared()
    assert len(turns) == 1
    go_on.set()
    first.join(60)
    assert len(turns) == 2
    shared()
    assert len(turns) == 3
