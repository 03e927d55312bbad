"""Opening the link to a runner by its kind."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from orchestrator.domain.runner import Address
from orchestrator.errors import BadInput, LinkError
from orchestrator.machines.link import Link
from orchestrator.machines.local import LocalLink
from orchestrator.machines.ssh import SshLink
from orchestrator.service.places import runner_home
from orchestrator.settings import Settings


def link_opener(settings: Settings) -> Callable[[Address], Link]:
    """The address of a runner to its link; each is made once."""

    @cache
    def open_link(address: Address) -> Link:
        if address.kind == "local":
            return LocalLink(runner_home(settings.home, address.runner), python=settings.runner_python)
        if address.kind == "ssh":
            return _over_ssh(address)
        raise LinkError(f"runner {address.runner} is of kind {address.kind!r}, which this version cannot reach")

    return open_link


def _over_ssh(address: Address) -> Link:
    try:
        return SshLink(address)
    except BadInput as error:
        raise LinkError(f"runner {address.runner}: {error}; remove it and add it again", kind="bad-address") from error
