"""Repositories and bases that are made to be run: refused with a sentence, and nothing of them is run or stored."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from sqlmodel import Session, select

from orchestrator.errors import BadInput
from orchestrator.service.intake import Bundle, Submission, submit
from orchestrator.service.services import Services
from orchestrator.settings import Settings
from orchestrator.store.engine import open_store
from orchestrator.store.tables import CampaignRow, EpisodeRow
from tests.chaos.toy import bundle_of, make_quick_toy
from tests.components import need

pytestmark = pytest.mark.fault(27)

BASES = (
    "--upload-pack=touch WITNESS",
    "--upload-pack=touch${IFS}WITNESS",
    "-uWITNESS",
    "$(touch WITNESS)",
    "`touch WITNESS`",
    "main\\ntouch WITNESS",
    "main;touch WITNESS",
    "main..$(touch WITNESS)",
    "refs/heads/$(touch${IFS}WITNESS)",
    "@{-1}",
    "",
)
URLS = (
    "--upload-pack=touch WITNESS",
    "ext::sh -c touch% WITNESS",
    "ext::sh -c touch% WITNESS://x",
    "../repo\\n--upload-pack=touch WITNESS",
    "$(touch WITNESS)",
    "ssh://-oProxyCommand=touch WITNESS/repo",
    "-oProxyCommand=touch WITNESS@host:repo",
    "file://$(touch WITNESS)/repo",
    "",
)


class NoBell:
    """Nobody works on what is submitted here."""

    def tick(self) -> None: ...
    def observe(self, runner: str) -> None: ...
    def perform(self, act_id: int) -> None: ...


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile")


@pytest.fixture(scope="module")
def campaign(folder: Path) -> Path:
    need("git")
    made = make_quick_toy(folder, folder / "token")
    # A branch whose name is a command: nothing that lists the branches may run it either.
    hostile = "refs/heads/$(touch${IFS}WITNESS)"
    subprocess.run(["git", "update-ref", hostile, "HEAD"], cwd=folder / "repo", check=True)
    return made


@pytest.fixture(scope="module")
def services(folder: Path) -> Services:
    settings = Settings(home=folder / "home", agents_path=(folder / "agents",))
    settings.ensure_home()

    def no_link(_address: object) -> None:
        raise AssertionError("no runner is asked at submission")

    store = open_store(settings.database_url)
    return Services(settings=settings, store=store, doorbell=NoBell(), link=no_link)  # type: ignore[arg-type]


def send(services: Services, campaign: Path, old: str, new: str) -> None:
    bundle = Bundle(**bundle_of(campaign))
    assert old in bundle.text
    submit(services, Submission(bundle=replace(bundle, text=bundle.text.replace(old, new)), agents=("replay:idler",)))


def rows(session: Session) -> list[object]:
    return [*session.exec(select(CampaignRow)).all(), *session.exec(select(EpisodeRow)).all()]


@pytest.mark.parametrize(
    ("key", "value"), [*(("base", base) for base in BASES), *(("url", url) for url in URLS)], ids=lambda text: text[:24]
)
def test_a_name_that_would_be_run_is_refused_with_a_sentence(
    services: Services, campaign: Path, folder: Path, key: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    hostile = value.replace("WITNESS", str(folder / "witness"))
    old = {"base": 'base = "main"', "url": 'url = "../repo"'}[key]
    with pytest.raises(BadInput) as refused:
        send(services, campaign, old, f'{key} = "{hostile}"')
    assert refused.value.message
    assert refused.value.remedy or refused.value.problems
    assert not list(folder.rglob("*witness*")), "something of it was run"
    with services.store.reading() as session:
        assert rows(session) == []


def test_the_base_beside_a_hostile_branch_is_taken_as_it_is(services: Services, campaign: Path, folder: Path) -> None:
    send(services, campaign, 'base = "main"', 'base = "main"')
    assert not list(folder.rglob("*witness*"))
    with services.store.reading() as session:
        assert len(rows(session)) == 3  # a campaign, its preflight and an episode
