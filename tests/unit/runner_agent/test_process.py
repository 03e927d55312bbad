"""How the end of a process is judged."""

from __future__ import annotations

import pytest

from runner_agent.ending import judge


@pytest.mark.parametrize(
    ("code", "stop", "expected"),
    [
        (0, None, ("ok", "")),
        (3, None, ("failed", "exit status 3")),
        (-11, None, ("crashed", "ended by SIGSEGV")),
        (139, None, ("crashed", "ended by SIGSEGV")),
        (127, None, ("failed", "exit status 127")),
        (255, None, ("failed", "exit status 255")),
        (0, "limit", ("timed-out", "ended after its limit of 1.5 s")),
        (-9, "limit", ("timed-out", "ended after its limit of 1.5 s")),
        (-9, "output", ("failed", "ended after more than 100 bytes of output")),
    ],
)
def test_result_and_reason_follow_from_status_and_stop(code: int, stop: object, expected: tuple[str, str]) -> None:
    assert judge(code, stop, 1.5, 100) == expected  # type: ignore[arg-type]
