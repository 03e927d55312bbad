"""What a runner is shown to have proven."""

from __future__ import annotations

from fastapi.testclient import TestClient

from tests.unit.service.rig import Rig


def test_a_runner_shows_which_campaigns_it_has_proven_and_whether_that_still_holds(api: TestClient, rig: Rig) -> None:
    assert api.get("/api/v1/runners/local").json()["campaigns"] == []
    rig.submit()
    rig.run()
    (preflight,) = rig.preflights()
    (proof,) = api.get("/api/v1/runners/local").json()["campaigns"]
    assert (proof["campaign"], proof["accepted"], proof["in_force"]) == ("toy", True, True)
    assert (proof["episode"], proof["detail"], proof["campaign_id"]) == (preflight.id, "", preflight.campaign_id)
    rig.update_drivers()
    rig.beat(61)
    (proof,) = api.get("/api/v1/runners/local").json()["campaigns"]
    assert not proof["in_force"]
