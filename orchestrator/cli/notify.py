"""`matins notify test`"""

from __future__ import annotations

from orchestrator.cli import terminal
from orchestrator.cli.answers import Place, listed
from orchestrator.cli.client import Client
from orchestrator.cli.connection import connection
from orchestrator.cli.render.tables import Column, show_table

COLUMNS = (Column(title="PLACE"), Column(title="SERVICE"), Column(title="SENT"), Column(title="PROBLEM", cut=True))


def send_test(*, as_json: bool) -> int:
    with Client(connection()) as client:
        answer = client.post("/api/v1/notify/test")
    places = listed(Place, answer, "places")
    if as_json:
        terminal.data_json(answer)
    else:
        rows = [[str(one.place), one.service, "yes" if one.sent else "no", one.problem] for one in places]
        show_table(COLUMNS, rows)
    return 0 if all(one.sent for one in places) else 1
