"""Who is asking: the name that stands in the logs of what an operator did."""

from __future__ import annotations

import os
import pwd


def account() -> str:
    """The name of the account that this command runs as, or its number where it has none."""
    number = os.getuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
