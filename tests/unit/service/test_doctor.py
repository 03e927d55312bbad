"""What the doctor says of a machine that cannot be asked."""

from __future__ import annotations

import pytest

from orchestrator.domain.runner import Operation, Power
from orchestrator.errors import LINK_ERRORS, LinkError, NotFound
from orchestrator.service.doctor import REMEDIES, examine, unreached
from tests.unit.service.rig import Rig


def test_each_error_of_a_link_has_its_remedy() -> None:
    assert REMEDIES.keys() == LINK_ERRORS.keys()
    for kind in LINK_ERRORS:
        said = unreached("gpu1", LinkError("gpu1: so it was", kind=kind), Power.AWAKE, Operation.NONE)
        assert (said.name, said.result, said.found) == ("connection", "fail", "gpu1: so it was")
        assert said.remedy == REMEDIES[kind]


@pytest.mark.parametrize(
    ("power", "operation", "state", "remedy"),
    [
        (Power.ASLEEP, Operation.NONE, "it is asleep: ", "matins runner wake gpu1"),
        (Power.ASLEEP, Operation.WAKING, "it is waking: ", "ask again"),
        (Power.AWAKE, Operation.SUSPENDING, "it is suspending: ", "ask again"),
        (Power.UNREACHABLE, Operation.NONE, "", REMEDIES["timeout"]),
    ],
)
def test_a_silent_machine_that_sleeps_or_is_on_its_way_is_called_so(
    power: Power, operation: Operation, state: str, remedy: str
) -> None:
    said = unreached("gpu1", LinkError("no answer", kind="timeout"), power, operation)
    assert said.found == f"{state}no answer"
    assert remedy in said.remedy


def test_a_machine_that_shows_another_key_is_no_sleeper() -> None:
    said = unreached("gpu1", LinkError("another key", kind="host-key-changed"), Power.ASLEEP, Operation.NONE)
    assert said.found == "another key"
    assert "--host-key" in said.remedy


def test_a_runner_that_does_not_answer_is_found_to_lack_its_connection(rig: Rig) -> None:
    rig.runners["local"].unreachable = "no answer in 20 s"
    (only,) = examine(rig.services, "local")
    assert (only.name, only.result) == ("connection", "fail")
    assert "no answer in 20 s" in only.found


def test_nobody_is_examined_who_is_not_there(rig: Rig) -> None:
    with pytest.raises(NotFound):
        examine(rig.services, "nowhere")
