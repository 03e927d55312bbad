"""The pages of `docs/` say what the code says: keys, defaults, reasons, settings, routes and metrics."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast, get_args, get_type_hints

import pytest
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from orchestrator.accounting.families import FAMILIES
from orchestrator.conditions import CONDITIONS
from orchestrator.domain import campaign
from orchestrator.domain.campaign_file import read_campaign
from orchestrator.domain.health import Finding, diagram
from orchestrator.domain.reasons import MEANINGS, EndReason
from orchestrator.planning.evidence import TABLE
from orchestrator.scoring.verdict import FlagKind
from orchestrator.service.services import Services
from orchestrator.settings import Settings
from orchestrator.web.app import create_app
from runner_agent import agents

DOCS = Path(__file__).parents[2] / "docs"
PAGE_LINES_MOST = 160

TABLES: dict[str, type] = {
    "": campaign.Campaign,
    "repo.": campaign.Repo,
    "requires.": campaign.Requires,
    "limits.": campaign.Limits,
    "agent.": campaign.AgentRules,
    "session.": campaign.Session,
    "session.turn.": campaign.Turn,
    "item.": campaign.Item,
    "build.": campaign.Step,
    "lint.": campaign.Step,
    "test.": campaign.Step,
    "smoke.": campaign.Smoke,
    "smoke.measure.": campaign.Measure,
    "compare.": campaign.Compare,
}
CHECKS = (
    campaign.CommandCheck,
    campaign.PatternCheck,
    campaign.MarkerCheck,
    campaign.TestsCheck,
    campaign.ThroughputCheck,
)


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def rows(text: str, heading: str) -> list[list[str]]:
    """The cells of each row of the tables under a heading, without their heads."""
    section = re.split(r"^#+ ", text.split(f"\n## {heading}\n")[1], maxsplit=1, flags=re.M)[0]
    cells = [re.split(r"(?<!\\) \| ", line.strip("| ")) for line in section.splitlines() if line.startswith("| ")]
    return cells[1:]


def ticked(cell: str) -> list[str]:
    """What stands in backticks."""
    return re.findall(r"`([^`]+)`", cell)


def examples(name: str) -> list[str]:
    """The TOML blocks of a page."""
    return re.findall(r"^```toml\n(.*?)^```", page(name), flags=re.M | re.S)


def fields(table: type) -> dict[str, FieldInfo]:
    known = cast(dict[str, FieldInfo], vars(table)["__pydantic_fields__"])
    return {str(field.validation_alias or name): field for name, field in known.items()}


def default(field: FieldInfo) -> str:
    """A default as the pages write it."""
    value: Any = field.get_default(call_default_factory=True, validated_data={})
    if value is PydanticUndefined:
        return "required"
    if value is None:
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, (int, float)):
        return f"`{int(value) if value == int(value) else value}`"
    if isinstance(value, str):
        return f'`"{value}"`'
    return "`{}`" if isinstance(value, dict) else "`[]`"


def keys() -> Iterator[tuple[str, str]]:
    for prefix, table in TABLES.items():
        for name, field in fields(table).items():
            if f"{prefix}{name}." not in TABLES and f"{prefix}{name}" != "item.check":
                yield f"{prefix}{name}", default(field)


def check_keys() -> Iterator[tuple[str, str, str]]:
    for check in CHECKS:
        for kind in get_args(get_type_hints(check)["kind"]):
            yield from ((kind, name, default(field)) for name, field in fields(check).items() if name != "kind")


def test_each_key_of_a_campaign_is_described_with_its_default_and_no_other_is() -> None:
    text = page("campaigns.md")
    described = [
        (key, cells[1]) for heading in ("Keys", "Limits") for cells in rows(text, heading) for key in ticked(cells[0])
    ]

    assert sorted(described) == sorted(keys())


def test_each_kind_of_check_is_described_with_its_keys_and_no_other_is() -> None:
    described = [
        (kind, ticked(cells[1])[0], cells[2])
        for cells in rows(page("campaigns.md"), "Checks")
        for kind in ticked(cells[0])
    ]

    assert sorted(described) == sorted(check_keys())


def test_the_bounds_of_limits_are_those_of_the_code() -> None:
    described = {ticked(cells[0])[0]: cells[2] for cells in rows(page("campaigns.md"), "Limits")}

    for name, field in fields(campaign.Limits).items():
        bounds = {type(bound).__name__: bound for bound in field.metadata}
        least, most = bounds.get("Ge"), bounds["Le"].le
        assert described[f"limits.{name}"] == (f"{least.ge} to {most}" if least else f"{most}"), name


def test_each_end_reason_is_described_as_the_table_of_reasons_has_it() -> None:
    described = {cells[0].strip("`"): cells[1:] for cells in rows(page("episode-folder.md"), "End reasons")}
    known = {
        str(reason): [
            means.kind,
            "yes" if means.signal else "no",
            f"{means.retry.where}, {means.retry.first_s:g} s" if means.retry else "no",
            means.payer,
            means.says,
        ]
        for reason, means in MEANINGS.items()
    }

    assert described == known
    assert set(known) == {str(reason) for reason in EndReason}


def test_the_evidence_for_a_retry_is_described_row_by_row() -> None:
    described = [(set(ticked(cells[0])), cells[1]) for cells in rows(page("recovery.md"), "Unreachable is not dead")]

    assert described == [
        ({str(fact) for fact in row.facts}, str(row.decision) + (f", `{row.reason}`" if row.reason else ""))
        for row in TABLE
    ]


def test_the_ladder_of_health_is_drawn_as_the_code_has_it_and_each_finding_is_described() -> None:
    text = page("health.md")

    assert diagram() in text
    assert [*re.findall(r"^\| `([a-z-]+)` \|", text.split("\n## ")[0], flags=re.M)] == [str(each) for each in Finding]


def test_each_reason_that_blames_a_machine_is_described_and_no_other_is() -> None:
    described = [
        (cells[0].strip("`"), cells[1], cells[2]) for cells in rows(page("health.md"), "What blames the machine")
    ]

    assert described == [
        (str(reason), means.says, "yes" if means.kind == "infrastructure" else "no")
        for reason, means in MEANINGS.items()
        if means.blames
    ]


def test_each_condition_that_people_are_told_of_is_described_and_no_other_is() -> None:
    described = {cells[0].strip("`"): cells[1:] for cells in rows(page("notifications.md"), "Conditions")}

    assert {name: cells[0] for name, cells in described.items()} == {str(c): m.says for c, m in CONDITIONS.items()}
    assert {name for name, cells in described.items() if cells[1] == "is told once"} == {
        str(condition) for condition, means in CONDITIONS.items() if not means.lasts
    }


def test_each_kind_of_flag_is_named() -> None:
    flags = next(cells for cells in rows(page("episode-folder.md"), "verdict.json") if cells[0] == "`flags[]`")

    assert set(get_args(FlagKind)) <= set(ticked(flags[1]))


def test_each_setting_is_described_and_no_other_is() -> None:
    described = [cells[0].strip("`") for cells in rows(page("operating.md"), "Settings")]

    assert described == list(Settings.model_fields)


def test_each_metric_is_described_with_its_labels_and_no_other_is() -> None:
    known = {family.shown: set(family.labels) for family in FAMILIES.values()}
    described = [
        (name, {label for label in re.split(r"\W+", cells[1]) if label})
        for cells in rows(page("metrics.md"), "Series")
        for name in ticked(cells[0])
    ]

    assert sorted(name for name, _ in described) == sorted(known)
    assert dict(described) == known


def test_each_route_is_described_and_no_other_is() -> None:
    services = SimpleNamespace(now=lambda: datetime(2026, 1, 1, tzinfo=UTC), store=None, settings=Settings())
    paths = create_app(cast(Services, services), "token").openapi()["paths"]
    known = [f"{method.upper()} {path}" for path, methods in paths.items() for method in methods]
    described = [cells[0].strip("`") for cells in rows(page("http-api.md"), "Routes")]

    assert sorted(described) == sorted(known)


def test_the_examples_of_a_campaign_and_of_agents_have_no_problem() -> None:
    (shown,) = examples("campaigns.md")
    told = [tomllib.loads(example) for example in examples("agents.md")]

    assert read_campaign(shown, {"checks/one_submit.rs"}).name == "decode"
    assert [agents.check(str(config["kind"]), config, {"faster.patch"}) for config in told] == [[], []]


def test_each_kind_of_agent_is_described() -> None:
    headings = re.findall(r"^## Kind `(\w+)`", page("agents.md"), flags=re.M)

    assert sorted(headings) == sorted(agents.KINDS)


@pytest.mark.parametrize("path", sorted(DOCS.glob("*.md")), ids=lambda path: path.name)
def test_a_page_can_be_read_in_one_sitting_and_its_links_lead_somewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")

    assert len(text.splitlines()) <= PAGE_LINES_MOST
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", text):
        file, _, anchor = target.partition("#")
        aim = path.parent / file if file else path
        assert aim.is_file() or aim.is_dir(), target
        headings = re.findall(r"^#+ (.+)$", aim.read_text(encoding="utf-8"), flags=re.M) if anchor else []
        assert not anchor or anchor in {re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings}, target
