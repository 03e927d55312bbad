"""What needs a real systemd: run by hand, as root, in a root file system and namespaces of its own."""
