"""Writes every dashboard to grafana/dashboards, and takes away what none of them is."""

from __future__ import annotations

from pathlib import Path

from grafana.src.all import rendered

FOLDER = Path(__file__).resolve().parents[1] / "dashboards"


def main() -> None:
    files = rendered()
    for stale in {path.name for path in FOLDER.glob("*.json")} - files.keys():
        (FOLDER / stale).unlink()
    for name, text in files.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
        print(FOLDER / name)


if __name__ == "__main__":
    main()
