"""What a runner needs and lacks: the machine itself says it, and where it cannot be asked, that is what it lacks."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.domain.runner import Operation, Power
from orchestrator.errors import LinkError, LinkRefused
from orchestrator.service.services import Services
from orchestrator.store.convert import to_address
from orchestrator.store.queries import find_runner
from runner_agent.protocol import DoctorRequest, Prerequisite

REMEDIES: Mapping[str, str] = {
    "unreachable": "look at its power, its network and its address",
    "unknown-host": "give `matins runner add` a name that can be looked up here, or an address",
    "connect-refused": "start its sshd, or give `matins runner add` the right --port",
    "timeout": "look at its power, its network and its firewall",
    "reset": "ask again; if it stays so, look at its sshd's log",
    "auth-failed": "put the key's public half into ~/.ssh/authorized_keys of the account there",
    "key-unusable": "make a key of its own, without passphrase: ssh-keygen -t ed25519 -N '' -f ~/.ssh/matins",
    "host-key-changed": "compare the keys at the machine; if it has a new one, `matins runner add` with --host-key",
    "bad-address": "`matins runner remove` it, and add it again",
    "protocol": "see that its account's shell prints nothing, and that python3 is there",
}
"""By the `kind` of the LinkError; each of `errors.LINK_ERRORS` has one."""

NO_AGENT = "install python3 3.10 or newer there; renew the file of a forced command, if authorized_keys has one"
SILENT = frozenset({"unreachable", "timeout", "connect-refused", "reset"})
"""How a machine that sleeps, or is on its way, does not answer."""


def examine(services: Services, name: str) -> list[Prerequisite]:
    """Each prerequisite, the connection first. Takes seconds. Raises NotFound."""
    with services.store.reading() as session:
        row = find_runner(session, name)
        address, mac = to_address(row), row.mac
        power, operation = Power(row.power), Operation(row.operation)
    request = DoctorRequest(now=services.now().isoformat(), mac=mac)
    where = f"{address.user}@{address.host}:{address.port}" if address.host else "this machine"
    try:
        found = services.link(address).doctor(request).prerequisites
    except LinkError as error:
        return [unreached(name, error, power, operation)]
    except LinkRefused as refused:
        return [Prerequisite(name="connection", result="fail", found=f"{where} answers no: {refused}", remedy=NO_AGENT)]
    return [Prerequisite(name="connection", result="pass", found=f"{where} answers"), *found]


def unreached(name: str, error: LinkError, power: Power, operation: Operation) -> Prerequisite:
    """Why nothing more is known, by what the machine was doing."""
    state, remedy = "", REMEDIES[error.kind]
    if error.kind in SILENT:
        if operation is not Operation.NONE:
            state, remedy = f"it is {operation.lower()}: ", f"ask again then; `matins runner show {name}` tells when"
        elif power is Power.ASLEEP:
            state, remedy = "it is asleep: ", f"`matins runner wake {name} --wait 600`, then ask again"
    return Prerequisite(name="connection", result="fail", found=f"{state}{error}", remedy=remedy)
