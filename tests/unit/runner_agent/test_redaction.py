"""Secrets are taken out of what is taken down, however it was split and in the spellings that are common."""

from __future__ import annotations

import base64
import itertools
import json
import urllib.parse
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from runner_agent.redaction import Redaction, scrub

pytestmark = pytest.mark.fault(30)

KEY = "sk-ant-Zx9/+%Q~é"
PEM = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0\nAQEFAASCBKcwggSjAgEAAoIB\n-----END PRIVATE KEY-----\n"
SECRETS = Redaction({"API_KEY": KEY, "PEM": PEM})


def told(pieces: list[bytes], redaction: Redaction = SECRETS) -> bytes:
    redactor = redaction.stream()
    return b"".join([*(redactor.feed(piece) for piece in pieces), redactor.finish()])


SPELLINGS = {
    "plain": KEY.encode(),
    "json": json.dumps({"k": KEY})[7:-2].encode(),
    "json-utf8": json.dumps({"k": KEY}, ensure_ascii=False)[7:-2].encode(),
    "url": urllib.parse.quote(KEY, safe="").encode(),
    "query": urllib.parse.urlencode({"k": KEY})[2:].encode(),
    "url-lower": urllib.parse.quote(KEY, safe="")
    .replace("%C3%A9", "%c3%a9")
    .replace("%2F", "%2f")
    .replace("%2B", "%2b")
    .encode(),
}


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS.keys())
def test_a_secret_is_replaced_by_its_name_in_every_common_spelling(spelling: bytes) -> None:
    assert told([b"before " + spelling + b" after"]) == b"before [redacted API_KEY] after"


@pytest.mark.parametrize("before", range(3))
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_secret_in_base64_is_found_at_every_alignment(before: int, encode: Callable[[bytes], bytes]) -> None:
    out = told([encode(b"x" * before + KEY.encode() + b" and more")])
    assert b"[redacted API_KEY]" in out
    # At most the bits that it shares with its neighbours are left.
    assert len(out.partition(b"[redacted API_KEY]")[0]) <= 4


def test_a_secret_of_several_lines_goes_as_a_whole_and_line_by_line() -> None:
    assert told([b"a " + PEM.encode() + b"b"]) == b"a [redacted PEM]b"
    assert told([b"a " + PEM.replace("\n", "\r\n").encode() + b"b"]) == b"a [redacted PEM]b"
    assert told([json.dumps(PEM).encode()]) == b'"[redacted PEM]"'
    assert told([b"> MIIEvQIBADANBgkqhkiG9w0 <"]) == b"> [redacted PEM] <"
    assert told([b"-----BEGIN PRIVATE KEY-----"]) == b"-----BEGIN PRIVATE KEY-----"


def test_a_short_value_is_left_alone_and_without_secrets_nothing_is_held_back() -> None:
    short = Redaction({"MODE": "fast"})
    assert told([b"fast"], short) == b"fast"
    assert short.stream().feed(b"fa") == b"fa"


def test_only_what_may_be_the_beginning_of_a_secret_is_held_back() -> None:
    redactor = SECRETS.stream()
    assert redactor.feed(b"ready\nsk-a") == b"ready\n"
    assert redactor.feed(b" no") == b"sk-a no"


PARTS = st.lists(st.sampled_from([b"a", b"ab", b"aabaaba", b"aabaabab", b"b", b"aabaababaab", b"\n"]), max_size=30)


@given(PARTS, st.lists(st.integers(0, 200), max_size=8))
@example([b"aabaaba", b"b"], [7])
@example([b"aabaaba"], [3])
def test_any_split_of_any_text_gives_what_the_whole_gives(parts: list[bytes], cuts: list[int]) -> None:
    redaction = Redaction({"ONE": "aabaabab", "TWO": "aabaababaaba", "THREE": "babababab"})
    text = b"".join(parts)
    at = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    pieces = [text[begin:end] for begin, end in itertools.pairwise(at)]
    whole = told([text], redaction)
    assert told(pieces, redaction) == whole == told([bytes([byte]) for byte in text], redaction)
    assert b"aabaabab" not in whole


@given(st.text(min_size=8, max_size=40), st.binary(max_size=60), st.binary(max_size=60))
def test_whatever_the_secret_it_is_not_told(secret: str, before: bytes, after: bytes) -> None:
    redaction = Redaction({"NAME": secret})
    whole = told([before + secret.encode() + after], redaction)
    assert b"[redacted NAME]" in whole


@pytest.mark.timeout(60)
def test_a_flood_of_beginnings_takes_time_in_proportion() -> None:
    redaction = Redaction({f"KEY_{n}": f"{n:02d}" + "a" * 4000 for n in range(8)})
    out = told([b"00" + b"a" * 65_000] * 16, redaction)
    assert out.count(b"[redacted KEY_0]") == 16


def test_files_are_rewritten_only_where_they_hold_a_secret(tmp_path: Path) -> None:
    (tmp_path / "grade").mkdir()
    (tmp_path / "grade" / "evidence.json").write_text(json.dumps({"path": f"{KEY}.rs"}))
    (tmp_path / "clean.log").write_text("clean")
    (tmp_path / "commits.bundle").write_text(KEY)
    (tmp_path / "link").symlink_to(tmp_path / "commits.bundle")
    kept = (tmp_path / "clean.log").stat().st_ino
    assert scrub(tmp_path, SECRETS, but=("commits.bundle",)) == 1
    assert json.loads((tmp_path / "grade" / "evidence.json").read_text()) == {"path": "[redacted API_KEY].rs"}
    assert (tmp_path / "clean.log").stat().st_ino == kept
    assert (tmp_path / "commits.bundle").read_text() == KEY
