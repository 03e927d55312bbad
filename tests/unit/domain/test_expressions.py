"""Regular expressions of a campaign: patterns of checks, and formats of smoke logs."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from orchestrator.domain.campaign_parts import DispatchFormat, Pattern, ThroughputFormat

HANGS = ["(a+)+$", "(a|a)*b", "(.*a){20}", r"(a)\1+b"]


@pytest.mark.parametrize("expression", HANGS)
def test_a_pattern_that_may_hang_is_refused_with_the_reason(expression: str) -> None:
    with pytest.raises(ValidationError, match=r"exponential time|refers back to a group"):
        TypeAdapter(Pattern).validate_python(expression)


@pytest.mark.parametrize("expression", HANGS[:3])
def test_a_format_that_may_hang_is_refused_with_the_reason(expression: str) -> None:
    with pytest.raises(ValidationError, match="exponential time"):
        TypeAdapter(ThroughputFormat).validate_python(f"{expression}(?P<tok_s>.)")
    with pytest.raises(ValidationError, match="exponential time"):
        TypeAdapter(DispatchFormat).validate_python(f"(?P<name>.)(?P<shader_ns>.){expression}")


@pytest.mark.parametrize("expression", [r"#\[allow\(", r"unsafe\s*\{", r"^\s*(?:pub )?fn \w+\([^)]*\)"])
def test_a_pattern_for_sources_is_taken_as_it_is(expression: str) -> None:
    assert TypeAdapter(Pattern).validate_python(expression) == expression
