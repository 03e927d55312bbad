"""What an agent is told, and what counts as its claim."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner_agent import protocol
from runner_agent.agents.prompt import compose, read_claims

ITEMS = ("one-submit", "Fuse.Norm")


def test_the_prompt_says_the_words_the_open_items_the_deadline_and_how_to_claim():
    items = [protocol.Item(id="one-submit", title="One submit for each token")]
    prompt = compose("Make it faster.\n", items, "2026-01-02T03:04:05Z", 90.7)
    assert prompt.startswith("Make it faster.\n\n")
    assert "- one-submit: One submit for each token" in prompt
    assert "2026-01-02T03:04:05Z, 90 seconds from now" in prompt
    assert "ITEM <id>: done\nor\nITEM <id>: not done" in prompt


def test_the_prompt_without_open_items_lists_none():
    assert "still open" not in compose("Go on.", [], "2026-01-02T03:04:05Z", -3)


def test_the_prompt_says_how_the_gpu_is_reached_and_for_how_long_where_it_is():
    assert "`matins-gpu COMMAND ARGUMENT…`" in (prompt := compose("x", [], "2026-01-02T03:04:05Z", 1, 12.9))
    assert "for 12 seconds more" in prompt
    assert "matins-gpu" not in compose("x", [], "2026-01-02T03:04:05Z", 1)


def test_the_prompts_own_words_claim_nothing():
    assert read_claims(compose("x", [], "2026-01-02T03:04:05Z", 1), ITEMS) == {}


@pytest.mark.parametrize(
    ("line", "claims"),
    [
        ("ITEM one-submit: done", {"one-submit": "done"}),
        ("item ONE-SUBMIT: Not Done", {"one-submit": "not-done"}),
        ("- **ITEM `fuse.norm`: not-done**.", {"Fuse.Norm": "not-done"}),
        ("  * ITEM one-submit : done\r", {"one-submit": "done"}),
        ("ITEM one-submit: done except for the tests", {}),
        ("ITEM unknown: done", {}),
        ("ITEM one-submit: nearly done", {}),
        ("all is done", {}),
        ("ITEM one-submit: done\nITEM one-submit: not done", {"one-submit": "not-done"}),
    ],
)
def test_claims_are_lines_of_their_own(line: str, claims: dict[str, str]):
    assert read_claims(f"Some words.\n{line}\n", ITEMS) == claims


@given(st.text())
def test_any_text_can_be_read_for_claims(text: str):
    assert set(read_claims(text, ITEMS)) <= set(ITEMS)


def test_a_line_of_a_million_characters_is_read_at_once():
    assert read_claims("ITEM " + "-" * 1_000_000 + "\n" + "*" * 1_000_000, ITEMS) == {}
