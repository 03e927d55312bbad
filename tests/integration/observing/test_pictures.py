"""`make pictures` where something is missing that it draws from."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.observing.pictures import main


@pytest.mark.parametrize("ci", ["", "true"])
def test_without_the_components_the_command_names_them_and_what_to_do(
    ci: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CI", ci)
    with pytest.raises(SystemExit) as ended:
        main()
    said = str(ended.value.code)
    assert said.startswith("the pictures cannot be drawn: ")
    assert "prometheus: not found on PATH; " in said
    assert said.endswith("(run `make system-parts test-parts`)")
    assert "\n" not in said
