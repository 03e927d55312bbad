"""Answers as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.cli import terminal
from orchestrator.cli.answers import Episode, Event, Interval, Stage, Verdict, read
from orchestrator.cli.errors import UnexpectedAnswer
from orchestrator.cli.render import demo, values
from orchestrator.cli.render.episode import details, result_line
from orchestrator.cli.render.events import full, progress
from orchestrator.cli.render.tables import Column, fitted, plain
from orchestrator.errors import Problem

COLUMNS = (
    Column(title="ID"),
    Column(title="N", right=True),
    Column(title="LESS", drop=1),
    Column(title="LEAST", drop=2),
    Column(title="TEXT", cut=True),
)
ROWS = [["a1b2c3d4e5f6", "7", "seldom", "rarely", "a long text that may be cut"], ["b", "12", "x", "y", "z"]]


def test_a_piped_table_is_aligned_whole_and_without_trailing_spaces() -> None:
    assert plain(COLUMNS, ROWS).splitlines() == [
        "ID             N  LESS    LEAST   TEXT",
        "a1b2c3d4e5f6   7  seldom  rarely  a long text that may be cut",
        "b             12  x       y       z",
    ]


def test_a_narrow_table_cuts_text_first_then_loses_columns_and_never_breaks_an_id() -> None:
    assert fitted(COLUMNS, ROWS, 80) == plain(COLUMNS, ROWS)
    assert fitted(COLUMNS, ROWS, 50).splitlines()[1] == "a1b2c3d4e5f6   7  seldom  rarely  a long text tha…"
    assert fitted(COLUMNS, ROWS, 35).splitlines()[1] == "a1b2c3d4e5f6   7  seldom  a long t…"
    assert fitted(COLUMNS, ROWS, 25).splitlines()[1] == "a1b2c3d4e5f6   7  a long…"
    assert fitted(COLUMNS, ROWS, 1).splitlines()[1] == "a1b2c3d4e5f6   7  a l…"


@given(
    st.lists(st.lists(st.text(alphabet="abc", min_size=1, max_size=30), min_size=5, max_size=5), max_size=5),
    st.integers(1, 120),
)
def test_a_fitted_table_keeps_every_id_and_number_whatever_the_width(rows: list[list[str]], width: int) -> None:
    lines = fitted(COLUMNS, rows, width).splitlines()
    assert len(lines) == len(rows) + 1
    for row, line in zip(rows, lines[1:], strict=True):
        assert line.startswith(row[0].rstrip())
        assert row[1].strip() in line


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (values.rate(52.149), "52.1"),
        (values.rate(None), "-"),
        (values.percent(-0.0312), "-3.1 %"),
        (values.interval(0.253, 0.24, 0.266), "+25.3 % [+24.0, +26.6]"),
        (values.interval(0.253, None, None), "+25.3 %"),
        (values.interval(0.253, 0.24, 0.266, digits=0), "+25 % [+24, +27]"),
        (values.items(0, 4), "0/4"),
        (values.items(None, 4), "-/4"),
        (values.items(None, None), "-"),
        (values.size(0), "0 B"),
        (values.size(1536), "1.5 KiB"),
        (values.size(5 << 40), "5.0 TiB"),
        (values.time("2026-11-21T08:14:50.123Z"), "2026-11-21T08:14:50Z"),
        (values.time("2026-11-21T08:14:50+00:00"), "2026-11-21T08:14:50Z"),
        (values.time(None), "-"),
        (values.plural(1, "file"), "1 file"),
        (values.plural(0, "file"), "0 files"),
    ],
)
def test_values_are_shown_with_their_units(shown: str, expected: str) -> None:
    assert shown == expected


@given(st.text())
def test_no_control_character_reaches_a_terminal(text: str) -> None:
    shown = terminal.one_line(text)
    assert all(character.isprintable() or character.isspace() for character in shown if ord(character) < 0xA0)
    assert not {"\x1b", "\n", "\r", "\x9b", "\u202e"} & set(shown)
    shown.encode("utf-8")


@pytest.mark.parametrize(
    ("event", "line"),
    [
        ({"event": "episode-assign", "data": {"phase": "ASSIGNED", "runner": "local"}}, "ASSIGNED  local"),
        ({"event": "episode-submitted", "data": {}}, "submitted"),
        ({"event": "stage-started", "data": {"stage": "build"}}, "build …"),
        ({"event": "stage-started", "data": {"stage": "session", "session": 2}}, "session 2 …"),
        ({"event": "stage-started", "data": {"stage": "pack"}}, None),
        (
            {
                "event": "stage-finished",
                "data": {"stage": "lint", "result": "failed", "seconds": 3.25, "detail": "exit 1"},
            },
            "lint failed  3.2 s  exit 1",
        ),
        (
            {"event": "turn-finished", "data": {"session": 1, "turn": 2, "result": "ok", "seconds": 60}},
            "session 1 turn 2 ok  60.0 s",
        ),
        (
            {"event": "smoke-round", "data": {"round": 1, "side": "baseline", "tok_s": 31.25, "exit_code": 0}},
            "smoke round 1 baseline  31.2 tok/s",
        ),
        (
            {"event": "smoke-round", "data": {"round": 1, "side": "candidate", "exit_code": 139}},
            "smoke round 1 candidate  exit 139",
        ),
        (
            {
                "event": "smoke-look",
                "data": {"samples": 8, "change": 0.05, "low": 0.01, "high": 0.09, "verdict": "faster"},
            },
            "after 8 pairs  +5.0 % [+1.0, +9.0]  faster",
        ),
        ({"event": "smoke-look", "data": {"samples": 3, "change": None, "verdict": "inconclusive"}}, None),
        ({"event": "gate-waited", "data": {"gate": "gpu", "seconds": 0.01}}, None),
        (
            {"event": "smoke-reused", "data": {"from": "e-7", "measured_at": "2026-03-01T12:00:00.000Z"}},
            "measured before  episode e-7  2026-03-01T12:00:00.000Z",
        ),
        ({"event": "smoke-round", "data": {"round": 1, "side": "baseline", "tok_s": 31.0, "reused": True}}, None),
        ({"event": "planted-left-out", "data": {"count": 2}}, "left out of the build: 2 files"),
        ({"event": "tree-restored", "data": {"count": 1}}, "put back after the tests: 1 file"),
        ({"event": "steering-taken-away", "data": {"count": 1}}, "kept from steering the next command: 1 file"),
        ({"event": "gate-waited", "data": {"gate": "gpu", "seconds": 12}}, "waited for the gpu gate  12.0 s"),
        (
            {"event": "gate-waited", "data": {"gate": "build", "seconds": 12, "behind": 2}},
            "waited for the build gate  12.0 s  behind 2 others",
        ),
        (
            {"event": "frozen", "data": {"seconds": 12.5, "for": ["a"]}},
            "frozen while another attempt was measured  12.5 s",
        ),
        (
            {"event": "agent-gpu", "data": {"argv0": "cargo", "held_s": 2.0, "left_s": 8.0, "exit_code": 0}},
            "the agent had the GPU for cargo  2.0 s  8.0 s left",
        ),
        ({"event": "budget-spent", "data": {"why": "the agent told 2 USD"}}, "no further turn  the agent told 2 USD"),
        ({"event": "something-new", "data": {"a": 1}}, None),
        ({"event": "stage-finished", "data": {}}, ""),
    ],
)
def test_events_become_lines_only_where_someone_waits_for_them(event: dict[str, object], line: str | None) -> None:
    assert progress(read(Event, {"at": "2026-11-21T08:00:00Z", "source": "runner", **event})) == line


def test_a_complete_account_leaves_out_no_event() -> None:
    event = Event(at="2026-11-21T08:00:00.5Z", event="something-new", source="runner", data={"a": 1, "b": ""})
    assert full(event) == "2026-11-21T08:00:00Z  runner        something-new  a=1"


def test_an_episode_without_a_verdict_says_where_it_stands() -> None:
    lines = list(details(Episode(id="a1", campaign="decode", phase="QUEUED", agent="replay:idler")))
    assert lines[0] == "QUEUED: no verdict yet."
    assert "episode     a1" in lines


def test_an_invalid_episode_says_why_first_and_again_beside_its_validity() -> None:
    episode = Episode(
        id="a1",
        campaign="decode",
        phase="DONE",
        valid=False,
        first_line="The instrument never fired.",
        invalid_reason="no line holds [GPU PERDISPATCH]",
        verdict=Verdict(valid=False, throughput=Interval(verdict="inconclusive", reason="no pair")),
        stages=(Stage(stage="smoke", result="failed", seconds=None),),
    )
    shown = "\n".join(details(episode))
    assert shown.startswith("The instrument never fired.\n")
    assert "validity    invalid: no line holds [GPU PERDISPATCH]" in shown
    assert "verdict  inconclusive: no pair" in shown
    assert result_line(episode) == "a1  -  DONE  The instrument never fired."


def test_an_episode_that_reused_a_measurement_says_whose_it_is() -> None:
    told = Interval(change=0.05, low=0.01, high=0.09, verdict="faster", reused_from="e-7")
    shown = "\n".join(
        details(Episode(id="a1", campaign="c", phase="DONE", verdict=Verdict(valid=True, throughput=told)))
    )
    assert "  reused   measured in episode e-7, where it counts as a signal" in shown


def test_a_measured_episode_says_from_how_much_and_how() -> None:
    told = Interval(change=0.05, low=0.01, high=0.09, verdict="faster", samples=12, seconds=61.7, method="t-mixture")
    shown = "\n".join(
        details(Episode(id="a1", campaign="c", phase="DONE", verdict=Verdict(valid=True, throughput=told)))
    )
    assert "verdict  faster" in shown
    assert "from     12 pairs in 62 s; t-mixture" in shown


def test_phases_of_the_demo_are_rows_in_order_with_their_sum() -> None:
    first = Episode(id="a", campaign="c", phase="DONE", agent="x", phase_seconds={"checkout": 1.0, "build": 2.0})
    second = Episode(id="b", campaign="c", phase="FAILED", agent="y", phase_seconds={"checkout": 1.5, "pack": 0.5})
    third = Episode(id="c", campaign="c", phase="CANCELLED", agent="z")
    assert demo.seconds_rows([first, second, third]) == [
        ["checkout", "1.0", "1.5", "-"],
        ["build", "2.0", "-", "-"],
        ["pack", "-", "0.5", "-"],
        ["together", "3.0", "2.0", "0.0"],
    ]


def test_sessions_of_the_demo_are_summed() -> None:
    stages = tuple(Stage(stage=name, result="ok", seconds=s) for name, s in (("session", 1.5), ("session", 2.0)))
    episode = Episode(id="a", campaign="c", phase="DONE", agent="x", stages=stages, phase_seconds={"session": 2.0})
    assert demo.seconds_rows([episode]) == [["session", "3.5"], ["together", "3.5"]]


def test_the_demo_fits_five_agents_into_eighty_columns() -> None:
    names = ("finisher", "fabricator", "half-shipper", "cherry-picker", "lawyer")
    said = "the instrument never fired: [GPU SUBMIT] is not in the smoke log; A is read in b.rs:12 and set nowhere"
    episodes = [
        Episode(
            id="a",
            campaign="c",
            phase="DONE",
            agent=f"replay:{name}",
            baseline_tok_s=231.3,
            tok_s=812.4,
            items_done=1,
            items_total=7,
            valid=name != "lawyer",
            end_reason="malformed-result",
            change=2.5,
            verdict=Verdict(throughput=Interval(low=2.4, high=2.6)),
            phase_seconds={"checkout": 1.0, "smoke": 1234.5},
            first_line=said,
        )
        for name in names
    ]
    table = fitted(demo.RESULT_COLUMNS, [demo.result_row(episode) for episode in episodes], 80)
    seconds = fitted(demo.seconds_columns(episodes), demo.seconds_rows(episodes), 80)
    words = list(demo.first_lines(episodes, 80))
    assert max(len(line) for line in (*table.splitlines(), *seconds.splitlines(), *words)) <= 80
    assert "replay:half-shipper" in table and "no: malf" in table
    assert " ".join(words[0].split() + words[1].split()) == f"finisher {said}"
    assert next(demo.first_lines(episodes)).split(maxsplit=1) == ["finisher", said]


def test_an_answer_of_another_shape_names_the_field() -> None:
    with pytest.raises(UnexpectedAnswer, match="phase"):
        read(Episode, {"id": "a1", "campaign": "decode"})


def test_unknown_fields_of_a_newer_orchestrator_are_ignored() -> None:
    assert read(Episode, {"id": "a1", "campaign": "c", "phase": "DONE", "news": [1]}).id == "a1"


@pytest.mark.parametrize(
    ("line", "where", "expected"),
    [(3, "item[0].check", "c.toml:3: item[0].check: wrong — mend it"), (0, "", "c.toml: wrong — mend it")],
)
def test_a_problem_names_file_line_place_and_remedy(line: int, where: str, expected: str) -> None:
    problem = Problem(line=line, where=where, message="wrong", remedy="mend it")
    assert terminal.problem_line(problem, "c.toml") == expected


def test_a_settled_episode_shows_what_it_cost_the_dearest_first() -> None:
    cost = {"usd": 1.5, "by_phase": {"session": 0.5, "gpu": 1.0}, "by_label": {"measured": 0.5, "configured": 1.0}}
    shown = list(details(read(Episode, {"id": "e1", "campaign": "c", "phase": "DONE", "cost": cost})))
    begin = shown.index("Cost")
    assert shown[begin + 1 : begin + 4] == [
        "  1.5000 USD: 1.0000 configured, 0.5000 measured",
        "  gpu            1.0000",
        "  session        0.5000",
    ]
    assert "Cost" not in list(details(read(Episode, {"id": "e1", "campaign": "c", "phase": "DONE"})))
