"""Stands in for `matins up`: `python -m tests.integration.cli.fake_up PORT well|broken`."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from tests.integration.cli.fake_api import TOKEN, FakeApi
from tests.integration.cli.fake_demo import answer_submissions


def main() -> int:
    port, mood = int(sys.argv[1]), sys.argv[2]
    if mood == "broken":
        print("the database is locked", flush=True)
        return 3
    token = Path(os.environ["MATINS_HOME"], "token")
    token.write_text(TOKEN, encoding="ascii")
    token.chmod(0o600)
    Path(os.environ["MATINS_HOME"], "arguments").write_text(
        " ".join([str(os.getpid()), *sys.argv[3:]]), encoding="ascii"
    )
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    api = FakeApi(port=port)
    answer_submissions(api)
    api.start()
    signal.sigwait({signal.SIGTERM})
    Path(os.environ["MATINS_HOME"], "ended").touch()
    return 0


sys.exit(main())
