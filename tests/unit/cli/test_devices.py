"""The devices of a runner: what is said of one on the command line, and how they are shown."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.cli.answers import Device, Runner
from orchestrator.cli.errors import WrongInput
from orchestrator.cli.gpus import gpu
from orchestrator.cli.inventory.ini import parse_ini
from orchestrator.cli.inventory.runners import runners_of
from orchestrator.cli.render.devices import gpu_names
from orchestrator.cli.render.runner import COLUMNS, details, row
from orchestrator.cli.render.tables import fitted
from orchestrator.cli.runners import NewRunner

FIRST, SECOND = (f"00000000-0{n}00-0000-0000-000000000000" for n in (3, 4))
CARD = Device(uuid=FIRST, name="AMD Radeon RX 7900 XTX", type="discrete-gpu", driver="radv", vram_bytes=24 << 30)
SOFTWARE = Device(uuid=SECOND, name="llvmpipe", type="cpu", vram_bytes=8 << 30)


def test_what_is_said_of_a_device_is_read() -> None:
    assert gpu(f"{FIRST} tag=big tag=quiet busy=350 idle=20.5 price-per-hour=0.1") == {
        "uuid": FIRST,
        "tags": ["big", "quiet"],
        "watts": {"busy": 350.0, "idle": 20.5},
        "price_per_hour": 0.1,
    }


@pytest.mark.parametrize(
    "text", ["", "tag=big", "u tag=", "u loud", "u busy=-1", "u busy=much", "u busy=inf", "u busy=1 busy=2", "u fan=3"]
)
def test_what_is_not_understood_is_wrong_input(text: str) -> None:
    with pytest.raises(WrongInput):
        gpu(text)


def test_each_device_goes_to_the_api_and_none_where_none_was_given() -> None:
    body = NewRunner(name="here", local=True, gpus=(f"{FIRST} tag=big", SECOND)).as_json()
    assert [each["uuid"] for each in body["gpus"]] == [FIRST, SECOND]
    assert "gpus" not in NewRunner(name="here", local=True).as_json()


def test_an_inventory_says_it_of_the_devices_of_a_host() -> None:
    text = f'gpu01 matins_user=m matins_key_file=/k matins_gpus="{FIRST} tag=big; {SECOND} idle=9"\n'
    (body,), problems = runners_of(parse_ini(text), "all")
    assert problems == []
    assert [(each["uuid"], each["tags"], each["watts"]) for each in body["gpus"]] == [
        (FIRST, ["big"], {}),
        (SECOND, [], {"idle": 9.0}),
    ]
    _, (problem,) = runners_of(parse_ini("gpu01 matins_user=m matins_key_file=/k matins_gpus='u fan=3'\n"), "all")
    assert "matins_gpus" in problem.message


def lines(**changes: Any) -> list[str]:
    return list(details(Runner(name="gpu1", kind="ssh", state="idle", **changes)))


def test_a_runner_is_shown_with_each_of_its_devices() -> None:
    busy = Device(
        **{
            **vars(CARD),
            "vulkan_api": "1.3.289",
            "health": "QUARANTINED",
            "detail": "no line [GPU PERDISPATCH]",
            "since": "2026-03-01T10:02:00.000Z",
            "tags": ("big", "gpu"),
            "prices": {"hardware_usd_per_h": 0.1, "asleep_w": 0.0, "idle_w": 20.0, "busy_w": 350.0},
            "running": ("e1", "e2"),
        }
    )
    said = lines(devices=(busy, Device(uuid=SECOND, reported=False, tags=("old",))))
    assert said[said.index(f"  device            {FIRST}  AMD Radeon RX 7900 XTX, 24.0 GiB") :] == [
        f"  device            {FIRST}  AMD Radeon RX 7900 XTX, 24.0 GiB",
        "    driver          radv, Vulkan 1.3.289",
        "    health          QUARANTINED since 2026-03-01T10:02:00Z: no line [GPU PERDISPATCH]",
        "    tags            big gpu",
        "    prices          idle 20 W, busy 350 W, 0.1 USD/h",
        "    running         e1 e2",
        f"  device            {SECOND}  not reported by the machine",
        "    tags            old",
    ]


def test_a_runner_is_shown_with_its_own_prices() -> None:
    prices = {"hardware_usd_per_h": 0.12, "asleep_w": 2.0, "idle_w": 60.0, "busy_w": 0.0, "energy_usd_per_kwh": 0.3}
    assert "  prices            asleep 2 W, idle 60 W, 0.12 USD/h, 0.3 USD/kWh" in lines(prices=prices)
    assert "  prices            rest 40 W" in lines(prices={"rest_w": 40.0})
    assert not [line for line in lines(prices={}) if "prices" in line]


@pytest.mark.parametrize(
    ("devices", "shown"),
    [
        ((CARD,), "AMD Radeon RX 7900 XTX"),
        ((CARD, SOFTWARE), "AMD Radeon RX 7900 XTX"),
        ((CARD, CARD), "2x AMD Radeon RX 7900 XTX"),
        ((CARD, Device(uuid=SECOND, name="RX 7600")), "AMD Radeon RX 7900 XTX +1"),
        ((SOFTWARE,), "llvmpipe"),
        ((), "-"),
    ],
)
def test_a_table_names_the_devices_in_few_words(devices: tuple[Device, ...], shown: str) -> None:
    name = next((device.name for device in devices), None)
    assert gpu_names(Runner(name="r", kind="local", state="idle", gpu=name, devices=devices)) == shown


def test_the_list_of_runners_fits_into_eighty_columns() -> None:
    many = Runner(name="gpu01", kind="ssh", state="idle", devices=(CARD, CARD), slots={"agent": 2}, tags=("a" * 60,))
    text = fitted(COLUMNS, [row(many)], 80)
    assert max(map(len, text.splitlines())) <= 80
    assert "2x AMD Radeon RX 7900 XTX" in text
