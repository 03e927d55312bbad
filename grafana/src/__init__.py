"""The dashboards, as Python. `python -m grafana.src` (`make dashboards`) writes them to grafana/dashboards/*.json."""
