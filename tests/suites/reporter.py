# SPDX-License-Identifier: Apache-2.0
"""A plugin of pytest that tells `run` of each test as it starts and ends, so that a crash or a cut loses no other.

To the descriptor $REPORT_FD goes a line of JSON each: start, pass, fail or skip, the test's id, its seconds, and what
failed; end is the last. Tests that the file $REPORT_DONE names, a line of JSON each, are left out.
"""
import json
import os
import time

import pytest

_to = os.fdopen(int(os.environ["REPORT_FD"]), "w", buffering=1, encoding="utf-8")
os.set_inheritable(_to.fileno(), False)
_process = os.getpid()
_outcome, _began, _text = "pass", 0.0, ""


def _tell(what, test, seconds=0.0, text=""):
    if os.getpid() != _process:
        return  # A fork that a test made, and that came out of it.
    # What comes before :: depends on where pytest finds its root.
    _to.write(json.dumps([what, test.partition("::")[2], round(seconds, 3), text[-3000:]]) + "\n")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    with open(os.environ["REPORT_DONE"], encoding="utf-8") as file:
        done = {json.loads(line) for line in file}
    items[:] = [item for item in items if item.nodeid.partition("::")[2] not in done]


def pytest_collectreport(report):
    if report.outcome != "passed":
        _tell("fail" if report.failed else "skip", report.nodeid, 0, report.longreprtext)


def pytest_runtest_logstart(nodeid, location):
    global _outcome, _began, _text
    _outcome, _began, _text = "pass", time.monotonic(), ""
    _tell("start", nodeid)


def pytest_runtest_logreport(report):
    global _outcome, _text
    if report.failed:
        _outcome = "fail"
        _text += report.longreprtext
    elif report.skipped and _outcome == "pass":
        _outcome = "skip"


def pytest_runtest_logfinish(nodeid, location):
    _tell(_outcome, nodeid, time.monotonic() - _began, _text)


def pytest_unconfigure(config):
    _tell("end", "")
