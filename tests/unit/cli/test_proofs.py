"""What a runner has proven, in `runner show`."""

from __future__ import annotations

from orchestrator.cli.answers import Proof, Runner
from orchestrator.cli.render.runner import details

AT = "2026-11-21T08:00:00Z"


def test_what_a_runner_has_proven_or_refused_as_it_is_now_is_shown() -> None:
    proofs = (
        Proof(campaign="decode-50", accepted=True, episode="5f1c", at=AT),
        Proof(campaign="prefill", accepted=False, episode="77aa", detail="[GPU PERDISPATCH] never appeared", at=AT),
        Proof(campaign="of-old", accepted=True, episode="0001", in_force=False, at=AT),
    )
    shown = [line.strip() for line in details(Runner(name="gpu1", kind="ssh", state="idle", campaigns=proofs))]
    assert f"proven for        decode-50 (preflight 5f1c, {AT})" in shown
    assert f"refused           prefill (preflight 77aa, {AT}): [GPU PERDISPATCH] never appeared" in shown
    assert not any("of-old" in line for line in shown)
