"""Ansible inventories: INI, YAML, and what `ansible-inventory --list` prints."""
