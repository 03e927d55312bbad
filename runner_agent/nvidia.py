"""NVIDIA devices by one `nvidia-smi` that goes on telling: starting one a second would itself be a load."""

from __future__ import annotations

import os
import subprocess
from typing import Any

from runner_agent.measure import throttle

FRESH_S = 2.5
END_S = 2.0
MIB = 1024**2
_PENDING_MOST = 65_536

# Field of --query-gpu -> key of a sample. Drivers from 535 on say "event", earlier ones "throttle"; some know neither,
# and one field that nvidia-smi does not know makes it refuse them all.
FIELDS: dict[str, str] = {
    "clocks.sm": "sm_mhz",
    "clocks.mem": "memory_mhz",
    "power.draw": "power_w",
    "enforced.power.limit": "power_cap_w",
    "temperature.gpu": "temperature_c",
    "utilization.gpu": "busy_percent",
    "memory.used": "memory_used_bytes",
}
REASONS = ("clocks_event_reasons.active", "clocks_throttle_reasons.active", "")


class NvidiaSmi:
    """`program` is the path of nvidia-smi, None where there is none. Nothing here waits for it, or raises."""

    def __init__(self, program: str | None, every_s: float = 1.0) -> None:
        self._program = program
        self._every_ms = max(1, round(every_s * 1000))
        self._asked = -1
        self._child: subprocess.Popen[bytes] | None = None
        self._pending = b""
        self._told: dict[str, tuple[float, dict[str, Any]]] = {}

    @property
    def silent(self) -> bool:
        """Whether there is nobody left to ask."""
        return self._program is None

    def read(self, now_s: float) -> list[dict[str, Any]]:
        """The last word on each device, if it is fresh."""
        if self._program is None:
            return []
        if self._child is None:
            self._ask()
        ended = self._child is not None and self._child.poll() is not None
        for line in self._lines():
            gpu = row(line)
            if gpu is not None:
                self._told[str(gpu["device"])] = (now_s, gpu)
        if ended and not self._told:
            self._leave()
        return [gpu for at_s, gpu in self._told.values() if now_s - at_s <= FRESH_S]

    def close(self) -> None:
        """Ends the program. Where this process is killed instead, the program's next line meets a closed pipe."""
        child, self._child = self._child, None
        self._program = None
        if child is None:
            return
        if child.stdout is not None:
            child.stdout.close()
        child.terminate()
        try:
            child.wait(END_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    def _ask(self) -> None:
        """Starts the program with the next set of fields; it is asked no more once all were refused."""
        self._asked += 1
        if self._program is None or self._asked >= len(REASONS):
            self._program = None
            return
        fields = ",".join(["index", *FIELDS, *([REASONS[self._asked]] if REASONS[self._asked] else [])])
        argv = [self._program, f"--query-gpu={fields}", "--format=csv,noheader,nounits", "-lms", str(self._every_ms)]
        try:
            child = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                env={**os.environ, "LC_ALL": "C"}, start_new_session=True,
            )  # fmt: skip
        except OSError:
            self._program = None
            return
        self._child, self._pending = child, b""
        if child.stdout is not None:
            os.set_blocking(child.stdout.fileno(), False)

    def _leave(self) -> None:
        if self._child is not None and self._child.stdout is not None:
            self._child.stdout.close()
        self._child = None

    def _lines(self) -> list[str]:
        """The whole lines that are there now."""
        if self._child is None or self._child.stdout is None:
            return []
        try:
            data = os.read(self._child.stdout.fileno(), _PENDING_MOST)
        except OSError:  # Nothing is there yet.
            return []
        *whole, self._pending = (self._pending + data).split(b"\n")
        self._pending = self._pending[-_PENDING_MOST:]
        return [line.decode("utf-8", "replace") for line in whole]


def row(line: str) -> dict[str, Any] | None:
    """One line of CSV; None if it is none. What a device does not support, "[N/A]" and the like, is left out."""
    index, *values = [word.strip() for word in line.split(",")]
    if not index.isdigit() or len(values) < len(FIELDS):
        return None
    gpu: dict[str, Any] = {"device": f"nvidia{index}"}
    for key, value in zip(FIELDS.values(), values, strict=False):
        number = _number(value)
        if number is not None:
            gpu[key] = round(number * MIB) if key == "memory_used_bytes" else number
    reasons = _mask(values[len(FIELDS) :])
    if reasons is not None:
        gpu["throttle"] = list(throttle.of_nvidia(reasons))
    return gpu


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if value == value and abs(value) != float("inf") else None


def _mask(values: list[str]) -> int | None:
    try:
        return int(values[0], 16)
    except (IndexError, ValueError):
        return None
