"""`matins runner …`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.commands.options import AsJson, new_group

group = new_group("The machines that episodes run on.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The runner's name.")]


@group.command("add")
def add(
    name: Name,
    local: Annotated[bool, typer.Option("--local", help="The runner is this machine.")] = False,
    host: Annotated[str | None, typer.Option(metavar="H", help="The runner's name or address, for SSH.")] = None,
    port: Annotated[int | None, typer.Option(metavar="P", min=1, max=65535, help="Its SSH port. [22]")] = None,
    user: Annotated[str | None, typer.Option(metavar="U", help="The account to log in to.")] = None,
    key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A private key without passphrase, on this machine."),
    ] = None,
    host_key: Annotated[
        str | None, typer.Option(metavar='"TYPE BASE64"', help="The host's public key, which is pinned.")
    ] = None,
    home: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Matins' folder there, from the account's home. [.matins-runner]"),
    ] = None,
    mac: Annotated[
        str | None,
        typer.Option(metavar="M", help="The MAC address of the card that wakes it."),
    ] = None,
    broadcast: Annotated[
        str | None, typer.Option(metavar="B", help="Its network's broadcast address. [255.255.255.255]")
    ] = None,
    interface: Annotated[
        str | None,
        typer.Option(metavar="I", help="The orchestrator's interface, or its IPv4 address, to wake it from."),
    ] = None,
    secureon: Annotated[
        str | None, typer.Option(metavar="S", help="The card's SecureOn password, if it has one.")
    ] = None,
    sleeps: Annotated[
        str | None, typer.Option(metavar="HOW", help="How it is put to sleep: suspend or power-off. [suspend]")
    ] = None,
    slots: Annotated[
        str | None,
        typer.Option(
            metavar="agent=N,build=N,buffer=N",
            help="How many agents work at once, how many builds, and how many built episodes may wait for its GPU."
            " [agent=1,build=1]",
        ),
    ] = None,
    tags: Annotated[
        list[str] | None, typer.Option("--tag", metavar="TAG", help="A tag that campaigns can require; repeatable.")
    ] = None,
    price_per_hour: Annotated[
        float | None, typer.Option(metavar="USD", min=0, help="What an hour of the machine costs, without energy.")
    ] = None,
    watts: Annotated[
        str | None,
        typer.Option(
            metavar="asleep=W,idle=W,busy=W,rest=W",
            help="What the machine draws, in watts; rest: what its own instruments leave out.",
        ),
    ] = None,
    price_per_kwh: Annotated[float | None, typer.Option(metavar="USD", min=0, help="What a kWh costs.")] = None,
    gpus: Annotated[
        list[str] | None,
        typer.Option(
            "--gpu", metavar='"UUID FACT..."', help="Tags and prices of one of its devices, see below; repeatable."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Add this machine, or one that is reached over SSH, as a runner.

    Without --host-key, the key that the host offers is shown and has to be confirmed at a terminal. It is pinned:
    a host that shows another one later is not talked to. To change its key, MAC address, tags, slots, watts or prices,
    add the same runner with them again: what is not given stays. With --mac it is woken when an episode needs it, and
    put to sleep when that saves energy.

    --gpu says something of one device, by the UUID that `matins runner show` lists: tag=T (repeatable), asleep=W,
    idle=W, busy=W, price-per-hour=USD, which come on top of the machine's. Given again, it replaces what was said.

    \b
    Examples:
      matins runner add local --local
      matins runner add gpu1 --host 10.0.0.2 --user matins \\
          --key ~/.ssh/matins --host-key "ssh-ed25519 AAAA..." \\
          --mac aa:bb:cc:dd:ee:01 --broadcast 10.0.0.255 --interface eth1
      matins runner add desk --local --slots agent=2,build=1 --tag vulkan \\
          --price-per-hour 0.12 --watts asleep=2,idle=60,busy=350 \\
          --price-per-kwh 0.30
      matins runner add desk --local \\
          --gpu "00000000-0300-0000-0000-000000000000 tag=big idle=20 busy=350"
    """
    from orchestrator.cli.runners import NewRunner, add_runner

    add_runner(
        NewRunner(
            name=name,
            local=local,
            host=host,
            port=port,
            user=user,
            key=key,
            host_key=host_key,
            home=home,
            mac=mac,
            broadcast=broadcast,
            interface=interface,
            secureon=secureon,
            sleeps=sleeps,
            slots=slots,
            tags=tuple(tags or ()),
            price_per_hour=price_per_hour,
            watts=watts,
            price_per_kwh=price_per_kwh,
            gpus=tuple(gpus or ()),
        ),
        as_json=as_json,
    )


@group.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the runners: state, GPU, slots and what runs on each.

    \b
    Example:
      matins runner list
    """
    from orchestrator.cli.runners import list_runners

    list_runners(as_json=as_json)


@group.command("show")
def show(name: Name, as_json: AsJson = False) -> None:
    """Show all that is known of one runner.

    \b
    Example:
      matins runner show local
    """
    from orchestrator.cli.runners import show_runner

    show_runner(name, as_json=as_json)


@group.command("import")
def import_(
    file: Annotated[str, typer.Argument(metavar="FILE", help="An inventory, or - for standard input.")],
    group_name: Annotated[str, typer.Option("--group", metavar="GROUP", help="Only the hosts of this group.")] = "all",
    as_json: AsJson = False,
) -> None:
    """Add every host of an Ansible inventory as a runner: INI, YAML, or what `ansible-inventory --list` prints.

    Every problem is said, with its line, and then none is added. A host key that the inventory does not hold as
    matins_host_key is shown and has to be confirmed at a terminal. What is known already is left as it is, or takes
    the keys and the way to wake it that the file has now.

    \b
    Examples:
      matins runner import hosts.ini
      matins runner import hosts.yml --group matins_runners
    """
    from orchestrator.cli.imports import import_runners

    import_runners(file, group_name, as_json=as_json)
