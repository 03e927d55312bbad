"""Tokens a second from smoke logs."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner_agent.measure.formats import BadFormat
from runner_agent.measure.throughput import Throughput, read

LINE = "[GPU THROUGHPUT] tokens=256 seconds=5.118 tok_s=50.02"
SAMPLE = Throughput(tokens=256, seconds=5.118, tok_s=50.02)


@pytest.mark.parametrize(
    "text",
    [
        LINE,
        f"before\n{LINE}\nafter\n",
        f"{LINE}\r\n",
        "[GPU THROUGHPUT] tok_s=50.02 tokens=256 device=lavapipe seconds=5.118",
        "\x1b[1;32m[GPU\x1b[0m THROUGHPUT] tokens=256 \x1b]8;;x\x07seconds=5.118 tok_s=\x1b[31m50.02\x1b[0m",
        f"12:00:01 INFO {LINE}",
        f"progress 10 %\rprogress 20 %\r{LINE}\rnext",
        f"[GPU PERDISPATCH] seq=1 name=a{LINE}",
    ],
)
def test_a_sample_is_found_wherever_its_line_ended_up(text: str):
    reading = read(text, "matins")
    assert reading.samples == (SAMPLE,)
    assert reading.malformed == ()


def test_samples_come_in_order():
    reading = read(f"{LINE}\n{LINE.replace('50.02', '49')}\n", "matins")
    assert [sample.tok_s for sample in reading.samples] == [50.02, 49.0]


@pytest.mark.parametrize(
    "line",
    [
        "[GPU THROUGHPUT]",
        "[GPU THROUGHPUT] tokens=256 seconds=5.118",
        "[GPU THROUGHPUT] seconds=5.118 tok_s=50.02",
        "[GPU THROUGHPUT] tokens=256 tok_s=50.02",
        "[GPU THROUGHPUT] tokens=256 seconds=5.118 tok_s=nan",
        "[GPU THROUGHPUT] tokens=256 seconds=5.118 tok_s=inf",
        "[GPU THROUGHPUT] tokens=256 seconds=5.118 tok_s=1e999",
        "[GPU THROUGHPUT] tokens=256 seconds=5.118 tok_s=-50",
        "[GPU THROUGHPUT] tokens=256 seconds=0 tok_s=50",
        "[GPU THROUGHPUT] tokens=2.5 seconds=5.118 tok_s=50",
        "[GPU THROUGHPUT] tokens=٢٥٦ seconds=5.118 tok_s=50",
        "[GPU THROUGHPUT] tokens=256 seconds=5.118 tok_s=50 tok_s=60",
        "[GPU THROUGHPUT] tokens=256 seconds=5.118 tok_s=50 and more",
        "[GPU THROUGHPUT] tokens=" + "9" * 10_000 + " seconds=5.118 tok_s=50",
        "[GPU THROUGHPU",
    ],
)
def test_a_line_that_does_not_parse_is_shown_with_its_number(line: str):
    reading = read(f"one\n{line}\n{LINE}\n", "matins")
    assert reading.malformed == ((2, line[:200]),)
    assert reading.samples == (SAMPLE,)


def test_a_line_of_which_the_end_was_lost_does_not_count():
    assert read(LINE[: LINE.index("tok_s")], "matins").samples == ()


def test_a_regular_expression_may_tell_the_speed_alone():
    reading = read("eval: 50.5 tokens per second\n", r"eval: (?P<tok_s>[\d.]+) tokens")
    assert reading.samples == (Throughput(tok_s=50.5),)


def test_a_regular_expression_may_tell_tokens_and_seconds_too():
    pattern = r"(?P<tokens>\S+) in (?P<seconds>\S+) s: (?P<tok_s>\S+)"
    reading = read("256 in 5 s: 51.2\nmany in 5 s: 51.2\n5 in 5 s: fast\n", pattern)
    assert reading.samples == (Throughput(tok_s=51.2, tokens=256, seconds=5.0),)
    assert [line for line, _ in reading.malformed] == [2, 3]


@pytest.mark.parametrize("fmt", ["(?P<tok_s>", r"(\d+)", "", "(?P<tokens>x)"])
def test_a_format_that_is_neither_known_nor_usable_is_refused(fmt: str):
    with pytest.raises(BadFormat, match="known throughput formats are matins, llama-bench"):
        read(LINE, fmt)


BENCH = {
    "n_prompt": 0,
    "n_gen": 128,
    "avg_ns": 2_500_000_000,
    "avg_ts": 51.2,
    "stddev_ts": 0.1,
    "samples_ns": [2_500_000_000, 2_560_000_000],
    "samples_ts": [51.2, 50.0],
}


def test_llama_bench_gives_a_sample_for_each_repetition():
    text = (
        "ggml_vulkan: found 1 device\n[noise]\n"
        + json.dumps([{**BENCH, "n_gen": 0, "n_prompt": 512}, BENCH], indent=2)
        + "\ndone\n"
    )
    reading = read(text, "llama-bench")
    assert reading.samples == (
        Throughput(tokens=128, seconds=2.5, tok_s=51.2),
        Throughput(tokens=128, seconds=2.56, tok_s=50.0),
    )
    assert reading.malformed == ()


def test_llama_bench_lines_without_samples_give_the_mean():
    row = {key: value for key, value in BENCH.items() if not key.startswith("samples")}
    reading = read(f"{json.dumps(row)}\n{json.dumps(row)}\n", "llama-bench")
    assert reading.samples == (Throughput(tokens=128, seconds=2.5, tok_s=51.2),) * 2


def test_many_short_lines_of_llama_bench_are_all_read():
    line = json.dumps({"n_gen": 128, "avg_ts": 51.2}) + "\n"
    reading = read(line * 3000, "llama-bench")
    assert (len(reading.samples), reading.malformed_count) == (3000, 0)


def test_llama_bench_may_tell_its_speed_far_from_where_the_object_begins():
    reading = read(json.dumps({"n_gen": 128, "prompt": ["x"] * 20_000, "avg_ts": 51.2}, indent=0), "llama-bench")
    assert [sample.tok_s for sample in reading.samples] == [51.2]


def test_broken_json_that_is_only_counted_is_what_would_be_shown():
    text = '[{"n": 1, "avg_ts": [\n' * 100_000
    reading = read(text, "llama-bench")
    assert (reading.malformed_count, reading.malformed[-1][0]) == (100_000, 100)


def test_llama_bench_with_a_speed_that_is_none_is_malformed():
    reading = read("\n" + json.dumps([{**BENCH, "samples_ts": ["fast", 50.0]}]), "llama-bench")
    assert [line for line, _ in reading.malformed] == [2]
    assert len(reading.samples) == 1


@pytest.mark.parametrize(
    "text",
    [
        "[" * 200_000,
        "[1,\n" * 100_000,
        "{\n" * 100_000,
        '{"\n' * 100_000,
        '[{"avg_ts": 1},\n' * 50_000,
        '[{"avg_ts": ' + "9" * 5000 + "}]",
        '"avg_ts"' * 200_000,
        "[[[]]]\n{}\n[3]\n",
    ],
)
@pytest.mark.timeout(60)
def test_hostile_json_gives_no_sample_and_does_not_hang_the_reading(text: str):
    assert read(text, "llama-bench").samples == ()


@given(st.text(), st.sampled_from(["matins", "llama-bench", r"(?P<tok_s>\d+)"]))
def test_any_text_can_be_read(text: str, fmt: str):
    read(text, fmt)


words = st.sampled_from(
    ["[GPU THROUGHPUT]", "[GPU ", "tokens=1", "tok_s=2", "seconds=3", "=", "\n", "\r\n", " ", "\x1b[0m"]
)


@given(st.lists(words))
def test_every_tagged_line_is_a_sample_or_malformed(parts: list[str]):
    text = "".join(parts)
    reading = read(text, "matins")
    plain = text.replace("\x1b[0m", "")
    assert len(reading.samples) + len(reading.malformed) >= plain.count("[GPU THROUGHPUT]")


@pytest.mark.timeout(60)
def test_megabytes_of_other_text_do_not_hang_the_reading():
    text = ("x" * 100_000 + "\n") * 100 + "[GPU " * 400_000 + f"\n{LINE}" * 20_000
    assert len(read(text, "matins").samples) == 20_000
