"""Every end reason has a meaning, and the meanings do not contradict themselves."""

from __future__ import annotations

import pytest

from orchestrator.domain.reasons import MEANINGS, EndReason, meaning


def test_every_reason_stands_in_the_table() -> None:
    assert set(MEANINGS) == set(EndReason)


@pytest.mark.parametrize("reason", EndReason)
def test_a_signal_is_never_retried_and_is_always_the_agents(reason: EndReason) -> None:
    found = meaning(reason)
    if found.signal:
        assert (found.kind, found.payer, found.retry) == ("agent", "agent", None)
    if found.retry:
        assert found.payer == "fleet"
    assert found.says.endswith(".")
