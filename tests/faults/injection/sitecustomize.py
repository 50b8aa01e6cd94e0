"""Pause a flow's task at a named point until the test has injected its fault.

Python imports this module at its start, because the test puts this directory on PYTHONPATH; the
project's own code is not changed. ``FAULTS_POINTS`` holds, per step, the audit event at which the
task pauses: the import of a module in the step's body, or the opening of a file.
"""

import json
import os
import sys
import time
from pathlib import Path

_POLL_SECONDS = 0.02
#: A megabyte on one line, for a process that floods its output.
_LINE = "x" * (2**20 - 1) + "\n"
#: Step of a process that searches one candidate; it is started by a task of `search`.
_ISOLATED = "fmnist_lib.search.execution.isolated"


def _install(step, event, text, directory):
    """Pause at the first audit event of this kind whose first argument contains the text."""
    paused = []

    def pause(name, arguments):
        if name != event or paused or text not in str(arguments[0]):
            return
        paused.append(name)
        place = Path(directory, step)
        place.with_suffix(".reached").write_text(str(os.getpid()))
        while not place.with_suffix(".go").exists():
            time.sleep(_POLL_SECONDS)
        action = place.with_suffix(".go").read_text()
        if action == "raise":
            raise RuntimeError("injected by the test")
        for _ in range(int(action or 0)):
            sys.stdout.write(_LINE)

    sys.addaudithook(pause)


def _main():
    points = json.loads(os.environ.get("FAULTS_POINTS", "{}"))
    words = sys.orig_argv
    if "step" in words[:-1]:
        step = words[words.index("step") + 1]
    else:
        step = "isolated" if _ISOLATED in words else None
    if step in points:
        event, text, *wanted = points[step]
        if all(word in words for word in wanted):
            _install(step, event, text, os.environ["FAULTS_DIRECTORY"])


_main()
