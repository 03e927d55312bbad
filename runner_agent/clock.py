"""The runner's clock: the only place of the runner agent that reads it."""

from __future__ import annotations

import time
from datetime import datetime, timezone


def utc_now() -> str:
    """This instant, ISO 8601 UTC with milliseconds."""
    return iso(time.time())


def iso(epoch_s: float) -> str:
    at = datetime.fromtimestamp(epoch_s, tz=timezone.utc)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def epoch_s() -> float:
    return time.time()


def monotonic_s() -> float:
    return time.monotonic()


def boottime_s() -> float:
    """Seconds since this boot, those asleep included. No change of the wall clock moves it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def slept_s() -> float:
    """Seconds of this boot that the machine was suspended: what CLOCK_BOOTTIME counts and CLOCK_MONOTONIC does not."""
    # Another process may run between the two readings, which adds to the difference and never takes from it.
    return min(-time.monotonic() + boottime_s() for _ in range(5))


def pause(seconds: float) -> None:
    time.sleep(seconds)
