"""`python -m tests.chaos --seconds 600 --seed 7`: faults by chance on real parts, and a verdict on what came of it.

The last line is `chaos seed=… faults=… episodes=… violations=…`; the exit status is 1 where there are violations, and
the folder with all logs and ledgers is kept then.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
from pathlib import Path

from tests.chaos.driver import Driver
from tests.chaos.lab import running_lab
from tests.chaos.rig import running_rig
from tests.chaos.verdict import judge
from tests.components import or_exit

EVERY_S = 0.9
PATIENCE_S = 240.0


@or_exit("there is no chaos")
def main() -> int:
    options = _options()
    print(f"chaos seed={options.seed} seconds={options.seconds:g} parts={options.parts}", flush=True)
    for name in [name for name in os.environ if name.startswith("MATINS_")]:
        del os.environ[name]
    folder = Path(tempfile.mkdtemp(prefix="matins-chaos-"))
    lab = options.parts == "lab"
    with running_lab(folder) if lab else running_rig(folder, options.parts, over_ssh=options.over_ssh) as rig:
        driver = Driver(rig, options.seed, lambda line: print(line, flush=True))
        driver.run(options.seconds, options.every)
        verdict = judge(rig, driver.tally, PATIENCE_S)
    print("\nfaults:")
    for kind, count in sorted(driver.tally.faults.items()):
        print(f"  {count:5d}  {kind}")
    print("episodes ended:")
    for kind, count in sorted(verdict.ended.items()):
        print(f"  {count:5d}  {kind}")
    for violation in verdict.violations:
        print(f"violation: {violation}")
    if verdict.violations or options.keep:
        print(f"kept: {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    faults, found = driver.tally.faults.total(), len(verdict.violations)
    print(f"chaos seed={options.seed} faults={faults} episodes={verdict.episodes} violations={found}", flush=True)
    return 1 if found else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--parts", choices=("embedded", "scaled", "lab"), default="embedded")
    parser.add_argument("--over-ssh", type=int, default=2, help="runners over SSH, beside two local ones")
    parser.add_argument("--every", type=float, default=EVERY_S, help="seconds between two faults, on average")
    parser.add_argument("--keep", action="store_true", help="keep the folder")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
