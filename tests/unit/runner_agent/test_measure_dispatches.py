"""Time for each dispatch from smoke logs."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner_agent.measure.dispatches import Dispatch, read
from runner_agent.measure.formats import BadFormat

LINE = "[GPU PERDISPATCH] seq=17 name=o_proj_residual_norm bubble_ns=4210 shader_ns=88120 submit_ns=10350"
DISPATCH = Dispatch(seq=17, name="o_proj_residual_norm", bubble_ns=4210, shader_ns=88120, submit_ns=10350)

GGML = """\
load: done
----------------
Vulkan Timings:
MUL_MAT_VEC q4_K m=2048 n=1 k=2048: 24 x 120.5 us = 2892 us (12.3 GFLOPS/s)
RMS_NORM(2048,1,1,1), MUL: 48 x 4 us = 192 us
ROPE: 24 x 1e+06 us = 2.4e+07 us
Total time: 3156 us.
----------------
Vulkan Timings:
ADD: 2 x 1.5 us
Total time: 3 us.
ADD: 9 x 9 us
"""


@pytest.mark.parametrize(
    "text",
    [
        LINE,
        f"{LINE}\r\n",
        f"noise {LINE} [GPU THROUGHPUT] tokens=1 seconds=1 tok_s=1",
        "\x1b[33m" + LINE.replace(" ", "\x1b[0m "),
    ],
)
def test_a_dispatch_is_found_wherever_its_line_ended_up(text: str):
    assert read(text, "perdispatch").dispatches == (DISPATCH,)


def test_keys_come_in_any_order_and_unknown_ones_are_kept():
    parts = ["seq=17", "name=n", "bubble_ns=1", "shader_ns=2", "submit_ns=3", "queue=2", "note="]
    random.Random(7).shuffle(parts)
    (dispatch,) = read("[GPU PERDISPATCH] " + " ".join(parts), "perdispatch").dispatches
    assert dispatch == Dispatch(
        seq=17, name="n", bubble_ns=1, shader_ns=2, submit_ns=3, extra={"queue": "2", "note": ""}
    )


@pytest.mark.parametrize(
    "line",
    [
        LINE.replace("4210", "-4210"),
        LINE.replace("4210", "42.5"),
        LINE.replace("4210", "18446744073709551616"),
        LINE.replace("4210", "0x10"),
        LINE.replace("name=o_proj_residual_norm", "name="),
        LINE.replace(" shader_ns=88120", ""),
        LINE + " seq=18",
        "[GPU PERDISPATCH] seq=17 na",
        "[GPU PERDIS",
    ],
)
def test_a_line_that_does_not_parse_is_shown_with_its_number(line: str):
    reading = read(f"\n\n{line}\n{LINE}", "perdispatch")
    assert reading.malformed == ((3, line),)
    assert reading.dispatches == (DISPATCH,)


def test_the_largest_timestamp_of_sixty_four_bits_is_a_number():
    (dispatch,) = read(LINE.replace("4210", "18446744073709551615"), "perdispatch").dispatches
    assert dispatch.bubble_ns == 2**64 - 1


def test_two_writers_on_one_line_are_told_apart_by_their_tags():
    assert len(read(LINE + LINE, "perdispatch").dispatches) == 2


def test_a_line_that_another_writer_broke_in_two_is_malformed_and_no_guess():
    text = LINE[:60] + "\nwarning: hot\n" + LINE[60:]
    reading = read(text, "perdispatch")
    assert reading.dispatches == ()
    assert [line for line, _ in reading.malformed] == [1]


def test_ggml_rows_are_means_of_their_counts_and_tell_neither_bubble_nor_submit():
    reading = read(GGML, "ggml-vk")
    assert [(each.seq, each.name, each.shader_ns) for each in reading.dispatches] == [
        (0, "MUL_MAT_VEC q4_K m=2048 n=1 k=2048", 120_500),
        (1, "RMS_NORM(2048,1,1,1), MUL", 4_000),
        (2, "ROPE", 1_000_000_000),
        (3, "ADD", 1_500),
    ]
    assert reading.dispatches[0].extra == {"count": "24", "total_us": "2892", "gflops": "12.3"}
    assert {each.bubble_ns for each in reading.dispatches} == {each.submit_ns for each in reading.dispatches} == {None}
    assert reading.malformed == ()


def test_a_broken_row_within_a_ggml_block_is_malformed_and_lines_outside_are_not():
    reading = read(GGML.replace("48 x 4 us", "48 x"), "ggml-vk")
    assert reading.malformed == ((5, "RMS_NORM(2048,1,1,1), MUL: 48 x = 192 us"),)
    assert len(reading.dispatches) == 3


def test_blank_lines_within_a_ggml_block_are_no_rows_and_no_faults():
    text = "Vulkan Timings:\n" + "\n \n" * 500 + "ADD: 2 x 1.5 us\n\nADD: 2 x\n"
    reading = read(text, "ggml-vk")
    assert [each.name for each in reading.dispatches] == ["ADD"]
    assert reading.malformed == ((1004, "ADD: 2 x"),)


def test_a_regular_expression_names_what_it_tells():
    pattern = r"kernel (?P<name>\w+) took (?P<shader_ns>[\d.]+)ns on (?P<queue>\d)"
    reading = read("kernel a took 10.6ns on 2\nkernel b took 7ns on 3\nkernel c took 7.7.7ns on 3", pattern)
    assert reading.dispatches == (
        Dispatch(seq=0, name="a", shader_ns=11, extra={"queue": "2"}),
        Dispatch(seq=1, name="b", shader_ns=7, extra={"queue": "3"}),
    )
    assert [line for line, _ in reading.malformed] == [3]


def test_a_regular_expression_that_names_no_shader_time_is_refused():
    with pytest.raises(BadFormat, match="no group"):
        read(LINE, r"(?P<name>\w+)")


@given(st.text(), st.sampled_from(["perdispatch", "ggml-vk", r"(?P<name>\w+)=(?P<shader_ns>\S+)"]))
def test_any_text_can_be_read(text: str, fmt: str):
    read(text, fmt)


u64 = st.integers(0, 2**64 - 1)


@given(u64, u64, u64, u64, st.from_regex(r"[\w.<>-]{1,20}", fullmatch=True))
def test_whatever_is_printed_in_the_format_is_read_back(seq: int, bubble: int, shader: int, submit: int, name: str):
    line = f"[GPU PERDISPATCH] seq={seq} name={name} bubble_ns={bubble} shader_ns={shader} submit_ns={submit}\n"
    expected = Dispatch(seq=seq, name=name, bubble_ns=bubble, shader_ns=shader, submit_ns=submit)
    assert read(line, "perdispatch").dispatches == (expected,)
