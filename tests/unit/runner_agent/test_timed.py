"""A campaign's own expression under a clock."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import runner_agent
from runner_agent import timed
from runner_agent.measure import dispatches, formats, throughput

HANGS = r"(?P<tok_s>(?:\d+)+)x"
POLYNOMIAL = r"\D*.*.*.*(?P<tok_s>\b\d+)x"
TEXT = "10x\nx" + "1" * 4000 + "\n20x\n"


@pytest.mark.parametrize("expression", [HANGS, POLYNOMIAL])
def test_an_expression_that_takes_too_long_is_stopped_and_the_line_is_named(expression: str) -> None:
    answer = timed.answer({"kind": "throughput", "format": expression, "text": TEXT}, 0.2)
    assert answer["stopped"] == "the expression took too long on line 2"
    assert [sample.tok_s for sample in timed.samples(answer)] == [10.0]


def test_what_is_read_under_the_clock_is_what_is_read_without() -> None:
    expression = r"(?P<name>\w+) took (?P<shader_ns>\S+) on (?P<queue>\d)?"
    text = "a took 1 on 2\nb took x on 3\nc took 3.6 on \n"
    answer = json.loads(json.dumps(timed.answer({"kind": "dispatches", "format": expression, "text": text}, 10.0)))
    without = dispatches.read(text, expression)
    assert tuple(row for batch in timed.dispatch_batches(answer) for row in batch.rows()) == without.dispatches
    assert (tuple(timed.faults(answer).lines), timed.faults(answer).count) == (
        without.malformed,
        without.malformed_count,
    )
    assert answer["stopped"] == ""


def test_the_verb_of_the_agent_answers_with_json() -> None:
    request = {"kind": "throughput", "format": r"(?P<tok_s>\d+)x", "text": "10x\n20x\n"}
    root = str(Path(runner_agent.__file__).parents[1])
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from runner_agent.__main__ import main; sys.exit(main(['timed']))"
    )
    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, root],
        input=json.dumps(request).encode(),
        capture_output=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr
    assert tuple(timed.samples(json.loads(ran.stdout))) == throughput.read(request["text"], request["format"]).samples


def test_an_allowance_that_is_not_used_up_leaves_nothing_behind() -> None:
    with timed.allowance(5.0):
        pass
    with pytest.raises(formats.TooSlow), timed.allowance(0.05):
        while True:
            pass
