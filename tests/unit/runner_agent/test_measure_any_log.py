"""What holds for the parsers of smoke logs, whatever the log holds."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner_agent.measure import dispatches, throughput
from runner_agent.measure.dispatches import Dispatch
from runner_agent.measure.text import BLOCK_CHARS, LINE_MOST_CHARS, SHOWN_LINES, Faults, blocks, plain

TAG = "[GPU PERDISPATCH]"
EXPRESSION = r"(?P<name>\w+) took (?P<shader_ns>\S+)"
FORMATS = ("perdispatch", "ggml-vk", EXPRESSION)


def line(seq: object = 1, name: str = "n", extra: str = "") -> str:
    return f"{TAG} seq={seq} name={name} bubble_ns=1 shader_ns=2 submit_ns=3{extra}"


def streamed(chunks: Iterable[str], fmt: str = "perdispatch") -> tuple[list[Dispatch], Faults]:
    faults = Faults()
    return [row for batch in dispatches.batches(chunks, fmt, faults) for row in batch.rows()], faults


whole = st.builds(
    line, st.integers(0, 2**64 - 1), st.sampled_from(["n", "mul_mat[3]", "x=y"]), st.sampled_from(["", " q=1"])
)
broken = st.sampled_from(
    [TAG, f"{TAG} seq=1", line("-1"), line("nan"), line(extra=" seq=2"), line(2**64), line(name="")]
)
other = st.sampled_from(
    ["", "warning: x", "[GPU THROUGHPUT] tokens=1 seconds=1 tok_s=1", "Vulkan Timings:", "a took 3", "{"]
)
lines = st.lists(st.one_of(whole, whole, whole, broken, other), max_size=30)
colours = st.sampled_from(["\x1b[0m", "\x1b[1;32m", "\x1b]8;;x\x07", "\x1b[2K"])


@given(lines)
def test_each_tagged_line_is_a_dispatch_or_malformed(told: list[str]) -> None:
    reading = dispatches.read("\n".join(told), "perdispatch")
    assert len(reading.dispatches) + reading.malformed_count == sum(each.startswith(TAG) for each in told)


@given(lines, st.integers(0, 40))
def test_malformed_lines_carry_their_own_numbers(told: list[str], before: int) -> None:
    reading = dispatches.read("\n" * before + "\n".join(told), "perdispatch")
    for number, words in reading.malformed:
        assert told[number - before - 1].strip() == words


@given(lines, st.lists(st.integers(1, 60), max_size=40), st.sampled_from(FORMATS))
def test_however_a_log_is_cut_into_pieces_it_reads_the_same(told: list[str], cuts: list[int], fmt: str) -> None:
    text = "\n".join(told)
    chunks: list[str] = []
    for cut in cuts:
        chunks.append(text[:cut])
        text = text[cut:]
    assert streamed([*chunks, text], fmt) == streamed(["\n".join(told)], fmt)


@given(lines, st.sampled_from(FORMATS))
def test_carriage_returns_before_line_ends_change_nothing(told: list[str], fmt: str) -> None:
    assert streamed(["\r\n".join(told)], fmt)[0] == streamed(["\n".join(told)], fmt)[0]
    assert streamed(["\r\n".join(told)], fmt)[1].count == streamed(["\n".join(told)], fmt)[1].count


@given(lines, st.data(), st.sampled_from(FORMATS))
def test_colours_change_nothing_wherever_they_stand(told: list[str], data: st.DataObject, fmt: str) -> None:
    text = "\n".join(told)
    coloured = text
    for at in sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)), reverse=True):
        coloured = coloured[:at] + data.draw(colours) + coloured[at:]
    assert plain(coloured) == text
    assert streamed([coloured], fmt) == streamed([text], fmt)


@given(st.lists(st.tuples(whole, st.randoms()), min_size=1, max_size=10))
def test_the_order_of_keys_changes_nothing(told: list[tuple[str, random.Random]]) -> None:
    shuffled: list[str] = []
    for each, dice in told:
        words = each.removeprefix(TAG).split()
        dice.shuffle(words)
        shuffled.append(" ".join([TAG, *words]))
    assert streamed(["\n".join(shuffled)]) == streamed(["\n".join(each for each, _ in told)])


KEYS = ("seq", "name", "bubble_ns", "shader_ns", "submit_ns")
words_of_lines = st.one_of(
    st.builds(
        "{}={}".format, st.sampled_from([*KEYS, "queue", "k1", "k2"]), st.sampled_from(["1", "2", "x", "", "[a]"])
    ),
    st.sampled_from(["x", "=", "seq=18446744073709551615", "seq=18446744073709551616", "name=a=b"]),
)
shaped = st.builds(
    lambda told, more, order: " ".join(
        [TAG, *(told + more if order is None else order.sample(told + more, len(told + more)))]
    ),
    st.sampled_from([[f"{key}=1" for key in KEYS], [f"{key}=1" for key in KEYS[1:]]]),
    st.lists(words_of_lines, max_size=3),
    st.one_of(st.none(), st.randoms()),
)


@given(st.lists(shaped, min_size=1, max_size=12), st.sampled_from(["\n", "\r", " \n"]), st.booleans())
def test_lines_of_many_shapes_read_together_as_each_reads_alone(told: list[str], end: str, only_counted: bool) -> None:
    faults = Faults(lines=[(0, "")] * SHOWN_LINES if only_counted else [])
    text = end.join(told)
    rows = [row for batch in dispatches.batches([text], "perdispatch", faults) for row in batch.rows()]
    alone = [streamed([each]) for each in told]
    assert rows == [row for each, _ in alone for row in each]
    assert faults.count == sum(each.count for _, each in alone)
    if not only_counted:
        assert [words for _, words in faults.lines] == [words for _, each in alone for _, words in each.lines]


def test_a_key_that_each_line_has_alone_is_kept() -> None:
    rows, faults = streamed(["\n".join(line(n, extra=f" k{n}=v{n}") for n in range(500))])
    assert [row.extra for row in rows] == [{f"k{n}": f"v{n}"} for n in range(500)]
    assert faults.count == 0


@given(st.text(alphabet="[GPU PERDISATCH]seqname=_ns0123\r\n\x1b[m"))
def test_rubbish_that_looks_like_lines_reads_alike_whole_and_in_pieces(text: str) -> None:
    assert streamed(text) == streamed([text])


@given(
    st.lists(
        st.one_of(
            whole, whole, broken, other, st.sampled_from(["[GPU ", "[GPU PERDIS", "[GPU PERDISPATCH ", f"{TAG} seq"])
        ),
        max_size=30,
    ),
    st.sampled_from(["\n", "\r\n", " ", ""]),
    st.sampled_from(FORMATS),
)
def test_lines_that_are_only_counted_are_those_that_would_be_shown(told: list[str], end: str, fmt: str) -> None:
    text = end.join(told)
    full = Faults(lines=[(0, "")] * SHOWN_LINES)
    rows = [row for batch in dispatches.batches([text], fmt, full) for row in batch.rows()]
    shown_rows, shown = streamed([text], fmt)
    assert (rows, full.count) == (shown_rows, shown.count)


@given(st.text(alphabet="[GPU PERDISATCH]seqname=_ns0123 \t\r\n"))
def test_rubbish_that_is_only_counted_is_counted_alike(text: str) -> None:
    full = Faults(lines=[(0, "")] * SHOWN_LINES)
    rows = [row for batch in dispatches.batches([text], "perdispatch", full) for row in batch.rows()]
    shown_rows, shown = streamed([text])
    assert (rows, full.count) == (shown_rows, shown.count)


def test_a_block_that_matches_at_once_reads_as_its_lines_do_one_by_one() -> None:
    told = [line(n, extra=f" begin_tick={n}") for n in range(3 * BLOCK_CHARS // 60)]
    told[7] = told[7].replace("=1 shader", "=x shader")
    rows, faults = streamed(["\n".join(told)])
    assert [row.seq for row in rows] == [n for n in range(len(told)) if n != 7]
    assert rows[8].extra == {"begin_tick": "9"}
    assert [number for number, _ in faults.lines] == [8]


def test_of_many_malformed_lines_all_are_counted_and_the_first_are_kept() -> None:
    reading = dispatches.read(f"{TAG} broken\n" * 10_000 + "[GPU " * 10_000 + "\n[GPU PERDIS\n" * 500, "perdispatch")
    assert reading.malformed_count == 20_500
    assert len(reading.malformed) == SHOWN_LINES


def test_a_line_without_end_is_read_in_pieces_and_loses_no_dispatch() -> None:
    text = "\r".join(line(n) for n in range(LINE_MOST_CHARS // 20))
    rows, faults = streamed([text])
    assert (len(rows), faults.count) == (LINE_MOST_CHARS // 20, 0)
    assert max(len(piece) for _, piece in blocks([text])) <= LINE_MOST_CHARS


@pytest.mark.parametrize("fmt", FORMATS)
def test_a_log_of_nothing_holds_nothing(fmt: str) -> None:
    assert streamed([], fmt)[0] == streamed([""], fmt)[0] == []


@given(st.text(max_size=200), st.integers(0, 3))
def test_a_row_of_llama_bench_is_found_within_any_text(other_text: str, indent: int) -> None:
    row = {"n_gen": 128, "avg_ts": 51.2, "samples_ts": [51.2, 50.0]}
    text = other_text.replace('"avg_ts"', "") + "\n" + json.dumps([row, row], indent=indent) + "\n" + other_text
    assert len(throughput.read(text, "llama-bench").samples) >= 4


def test_a_foreign_line_in_an_array_of_llama_bench_costs_one_object_and_is_told() -> None:
    row = {"n_gen": 128, "avg_ts": 51.2}
    text = json.dumps([row, row, row], indent=2).replace('    "avg_ts"', 'warning: hot\n    "avg_ts"', 1)
    reading = throughput.read(text, "llama-bench")
    assert len(reading.samples) == 2
    assert [number for number, _ in reading.malformed] == [1]
