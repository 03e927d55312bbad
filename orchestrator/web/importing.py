"""Many runners at once: everything that is wrong with any of them is said before one is added."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field
from sqlmodel import Session

from orchestrator.errors import BadInput, Conflict, MatinsError, Problem
from orchestrator.store.queries import list_runners
from orchestrator.store.tables import RunnerRow
from orchestrator.web.new_runner import RunnerBody, changes, faults, new_row, refuse_twin

SOME_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
"""Of the form of a host key, where none has been confirmed yet. It is never stored."""


class ImportBody(BaseModel):
    """`check`: say what is wrong and add none; host keys may be missing yet."""

    runners: list[RunnerBody] = Field(max_length=1000)
    check: bool = False


def problems_of(session: Session, wanted: ImportBody, now: datetime) -> list[Problem]:
    others = list(list_runners(session))
    found: list[Problem] = []
    for body in wanted.runners:
        if wanted.check and not body.host_key:
            body = body.model_copy(update={"host_key": SOME_KEY})
        wrong: list[MatinsError] = [*faults(body)]
        if not wrong:
            row = new_row(body, now)
            wrong += _conflicts(row, others, body)
            others.append(row)
        found += [Problem(line=body.line, where=body.name, message=each.message, remedy=each.remedy) for each in wrong]
    return found


def refuse(problems: list[Problem]) -> None:
    if problems:
        raise BadInput(f"{len(problems)} of what it says cannot be used", "correct it", tuple(problems))


def _conflicts(row: RunnerRow, others: list[RunnerRow], body: RunnerBody) -> list[MatinsError]:
    known = next((other for other in others if other.name == row.name), None)
    try:
        if known is not None and changes(row, known, body) is None:
            return [Conflict(f"there is a runner {row.name!r} already, at another place", "choose another name")]
        refuse_twin(row, [other for other in others if other.name != row.name])
    except (BadInput, Conflict) as error:
        return [error]
    return []
