"""Regular expressions that may need exponential time."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner_agent.measure import ambiguity, formats

HOSTILE = [
    "(a+)+$",
    "(a|a)*b",
    "(.*a){20}",
    "(a*)*",
    r"(\w+\s?)+$",
    r"([a-z]+)*\d",
    "(x+x+)+y",
    "(?:a?a?)*b",
    "(a(b*)?)*c",
    "(a|b|ab)*c",
    r"(\d+\.?\d*)+x",
    "((a{2,3})*)*",
    "(a+){10}",
    "(?=(a+)+$)x",
]
HARMLESS = [
    r"eval: (?P<tok_s>[\d.]+) tokens",
    r"(?P<tokens>\S+) in (?P<seconds>\S+) s: (?P<tok_s>\S+)",
    r"kernel (?P<name>\w+(?: \w+)*) took (?P<shader_ns>[\d.]+)ns on (?P<queue>\d)",
    r"(\d{1,3}\.){3}\d+",
    r"#\[allow\(",
    r"(?s)unsafe\s*\{.*?\}",
    r"(\d+,)+\d+",
    r'"(?:[^"\\]|\\.)*"',
    r"(?:.*\n)*end",
    r"^\s*(?:pub )?fn\s+\w+\s*\([^)]*\)",
    r"(?:https?|ssh)://\S+",
    "a{3,500}",
]


@pytest.mark.parametrize("expression", HOSTILE)
def test_two_ways_through_a_repetition_are_refused(expression: str):
    assert "exponential time" in ambiguity.problem(expression)


@pytest.mark.parametrize("expression", HARMLESS)
def test_what_logs_and_sources_are_searched_for_is_not_refused(expression: str):
    assert ambiguity.problem(expression) == ""


def test_a_reference_back_is_refused():
    assert "refers back" in ambiguity.problem(r"(a+)b\1")


def test_a_format_that_may_take_exponential_time_is_refused_with_a_remedy():
    told = formats.check("throughput", r"(?P<tok_s>(\d+)+) tok/s")
    assert "exponential time" in told
    assert "(a+,)+ instead of (a+)+" in told


SMALL = st.recursive(
    st.sampled_from(["a", "b", "[ab]", "."]),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda pair: f"(?:{pair[0]}|{pair[1]})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{4,}"])).map(lambda pair: f"(?:{pair[0]}){pair[1]}"),
    ),
    max_leaves=6,
)


@given(SMALL, st.sampled_from(["a", "b", "ab", "ba", "aab"]))
def test_what_is_called_harmless_ends_on_texts_made_to_hang_it(expression: str, turn: str):
    """Processor time is bounded by the test's own limit; 40 turns of an exponential expression outlast any."""
    if ambiguity.problem(expression) == "":
        re.compile(f"(?:{expression})c").match(turn * 40)


@pytest.mark.filterwarnings("ignore:Possible nested set:FutureWarning")
@given(st.text(alphabet="ab()[]|*+?{}1,\\dwsSW^$.(?P<n>=!:i-", max_size=40))
def test_any_text_gets_an_answer(expression: str):
    assert isinstance(ambiguity.problem(expression), str)


@pytest.mark.parametrize(
    ("expression", "literal"),
    [
        (r"eval: (?P<tok_s>\d+) tok", "eval: "),
        (r"(?P<x>tok/s=)\d", "tok/s="),
        (r"(?i)tok", ""),
        ("a|b", ""),
        (r"x*long", "long"),
    ],
)
def test_a_text_that_every_match_must_hold_is_known(expression: str, literal: str):
    assert ambiguity.literal(expression) == literal
