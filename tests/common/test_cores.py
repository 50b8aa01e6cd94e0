from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from fmnist_lib.common.cores import share_cores

ROOT = Path(__file__).resolve().parents[2]


def test_cores_are_divided_among_the_processes_that_run(tmp_path):
    with share_cores(tmp_path, 4) as ours:
        assert ours() == 4
        with share_cores(tmp_path, 4) as theirs:
            assert (ours(), theirs()) == (2, 2)
        code = (
            "import sys, pathlib\n"
            "from fmnist_lib.common.cores import share_cores\n"
            f"with share_cores(pathlib.Path({str(tmp_path)!r}), 4):\n"
            "    print(flush=True); sys.stdin.read()"
        )
        with subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
        ) as other:
            other.stdout.readline()
            assert ours() == 2
            other.kill()
        assert ours() == 4
