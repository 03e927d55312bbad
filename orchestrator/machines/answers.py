"""Reads what a runner answered: the same for every link that runs the agent file."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from orchestrator.errors import LinkError, LinkRefused
from runner_agent import protocol

T = TypeVar("T")

ANSWER_BYTES = 64 * 1024 * 1024
SHOWN_CHARS = 300


def data(verb: str, exit_code: int, stdout: bytes, stderr: bytes) -> dict[str, Any]:
    """The answer as JSON data. Raises LinkError and LinkRefused."""
    try:
        answer: object = json.loads(stdout)
    except (ValueError, RecursionError):
        # What came before the answer, such as a greeting of the account's shell, is what spoils it.
        said = f"{shown(stdout)} instead of an answer" if stdout else f"no answer: {shown(stderr)}"
        raise LinkError(f"`{verb}` ended with status {exit_code} and {said}", kind="protocol") from None
    if not isinstance(answer, dict) or answer.get("schema") != protocol.SCHEMA:
        raise LinkError(
            f"`{verb}` answered in another language than {protocol.SCHEMA}: {shown(stdout)}", kind="protocol"
        )
    if "error" in answer:
        error = answer["error"] if isinstance(answer["error"], dict) else {}
        raise LinkRefused(str(error.get("kind", "runner-fault")), str(error.get("message", "no reason given")))
    if exit_code != 0:
        raise LinkError(f"`{verb}` ended with status {exit_code}: {shown(stderr)}", kind="protocol")
    return answer


def message(kind: type[T], answer: dict[str, Any]) -> T:
    """The answer as a message. Raises LinkError."""
    try:
        return protocol.from_json(kind, answer)
    except protocol.MalformedMessage as error:
        raise LinkError(f"the runner's answer is malformed: {error}", kind="protocol") from error


def shown(text: bytes) -> str:
    """Its beginning and its end, fit for a message."""
    if len(text) > SHOWN_CHARS:
        text = text[: SHOWN_CHARS // 2] + " … ".encode() + text[-SHOWN_CHARS // 2 :]
    return text.decode(errors="replace").strip() or "(nothing)"
