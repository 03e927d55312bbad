"""What Grafana, Prometheus and containers are given fits together; nothing here starts them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from orchestrator.settings import Settings
from tests.unit.grafana.reading import GRAFANA, PROMETHEUS

FOR_EXAMPLE = re.compile(r"^# (- targets: .*(?:\n#  .*)*)", flags=re.M)


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


CONFIG = read(PROMETHEUS / "prometheus.yml")
JOBS = {job["job_name"]: job for job in CONFIG["scrape_configs"]}
COMPOSE = read(GRAFANA / "compose.yaml")["services"]


def test_grafana_rates_over_the_interval_that_prometheus_scrapes_at() -> None:
    (source,) = read(GRAFANA / "provisioning/datasources/prometheus.yaml")["datasources"]

    assert source["type"] == "prometheus"
    assert source["jsonData"]["timeInterval"] == CONFIG["global"]["scrape_interval"]


def test_matins_is_scraped_at_one_address_which_is_where_it_listens_by_default() -> None:
    (matins,) = JOBS["matins"]["static_configs"]

    assert [f"http://{target}" for target in matins["targets"]] == [Settings.model_fields["url"].default]


def test_machines_and_celery_are_scraped_where_an_operator_says_that_they_are() -> None:
    for name in ("node", "celery"):
        (found,) = JOBS[name]["file_sd_configs"]
        (path,) = found["files"]
        assert read(PROMETHEUS / path) == []
        (example,) = FOR_EXAMPLE.findall((PROMETHEUS / path).read_text(encoding="utf-8"))
        (target,) = yaml.safe_load(re.sub(r"^# ?", "", example, flags=re.M))
        assert target["targets"]
        assert ("runner" in target.get("labels", {})) == (name == "node")


def test_the_rules_that_prometheus_reads_are_those_beside_it() -> None:
    read_by_prometheus = {path for glob in CONFIG["rule_files"] for path in PROMETHEUS.glob(glob)}

    assert {path.name for path in read_by_prometheus} == {"alerts.yml", "recording.yml"}


def test_dashboards_are_mounted_where_grafana_is_told_to_read_them() -> None:
    (provider,) = read(GRAFANA / "provisioning/dashboards/matins.yaml")["providers"]

    assert provider["allowUiUpdates"] is False
    assert f"./dashboards:{provider['options']['path']}:ro" in COMPOSE["grafana"]["volumes"]


def test_what_containers_mount_of_the_repository_exists_and_is_not_written_to() -> None:
    mounts = [mount for service in COMPOSE.values() for mount in service["volumes"] if mount.startswith("./")]

    assert len(mounts) == 5
    for mount in mounts:
        path, _, mode = mount.split(":")
        assert (GRAFANA / path).exists(), mount
        assert mode == "ro", mount


def test_containers_have_versions_and_listen_on_loopback_alone() -> None:
    for service in COMPOSE.values():
        assert re.fullmatch(r"\w+/\w+:v?\d+\.\d+\.\d+", service["image"])
        assert service["network_mode"] == "host"
    assert "--web.listen-address=127.0.0.1:9090" in COMPOSE["prometheus"]["command"]
    assert COMPOSE["grafana"]["environment"]["GF_SERVER_HTTP_ADDR"] == "127.0.0.1"
