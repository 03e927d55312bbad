"""Queues the episodes of PIPELINE_PLAN at a Buildbot master, as `buildbot sendchange` would one by one.

Runs in Buildbot's own environment."""

import json
import os
import sys

from buildbot.clients.sendchange import Sender
from twisted.internet import defer, reactor

with open(os.environ["PIPELINE_PLAN"]) as file:
    PLAN = json.load(file)


@defer.inlineCallbacks
def queue():
    sender = Sender(f"127.0.0.1:{PLAN['port']}", auth=("bench", "bench"))
    for number, properties in enumerate(PLAN["episodes"]):
        yield sender.send(
            "main", None, properties["episode"], [], who="bench", category=f"lane-{number % PLAN['lanes']}",
            properties=properties,
        )  # fmt: skip


def end(result):
    if hasattr(result, "printTraceback"):
        result.printTraceback(sys.stderr)
        os._exit(1)
    reactor.stop()


reactor.callWhenRunning(lambda: queue().addBoth(end))
reactor.run()
