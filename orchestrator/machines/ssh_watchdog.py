"""A bound in time for calls into a library that does not keep its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self


class Watchdog:
    """Within `with`: calls `close` once, from a thread of its own, when `limit_s` are over, or `idle_s` since the last
    `feed`. Whoever hangs on what was closed is freed; `reason` then says which bound it was. `of_s` is the bound that
    `limit_s` is the rest of, for people."""

    def __init__(
        self, close: Callable[[], None], limit_s: float, *, idle_s: float | None = None, of_s: float | None = None
    ) -> None:
        self._close = close
        self._limit_s = limit_s
        self._idle_s = idle_s
        self._of_s = limit_s if of_s is None else of_s
        self._done = threading.Event()
        self._begun = self._fed = time.monotonic()
        self.reason = ""

    def __enter__(self) -> Self:
        threading.Thread(target=self._watch, name="ssh-watchdog", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._done.set()

    def feed(self) -> None:
        self._fed = time.monotonic()

    def _watch(self) -> None:
        while (left_s := self._left_s()) > 0:
            if self._done.wait(left_s):
                return
        over = time.monotonic() - self._begun >= self._limit_s
        self.reason = f"no answer within {self._of_s:.3g} s" if over else f"no byte came for {self._idle_s:g} s"
        self._close()

    def _left_s(self) -> float:
        now = time.monotonic()
        left_s = self._begun + self._limit_s - now
        return left_s if self._idle_s is None else min(left_s, self._fed + self._idle_s - now)
