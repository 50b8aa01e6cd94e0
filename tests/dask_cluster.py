"""A Dask cluster on 127.0.0.1, started by tests and benchmarks."""

from __future__ import annotations

import os
import subprocess
import sys

from fmnist_lib.common.paths import PROJECT_ROOT
from tests.ports import free_port


class Cluster:
    """Processes of a scheduler and its workers; a context manager that ends them."""

    def __init__(self, directory):
        self.address = f"tcp://127.0.0.1:{free_port()}"
        self.log = directory / "dask.log"
        self._directory, self._processes = directory, []

    def start(self, *words):
        limits = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(PROJECT_ROOT)}
        command = [sys.executable, "-m", "dask", *map(str, words)]
        with self.log.open("a") as log:
            process = subprocess.Popen(
                command, env=os.environ | limits, cwd=self._directory, stdout=log, stderr=log
            )
        self._processes.append(process)
        return process

    def scheduler(self):
        host, port = self.address.removeprefix("tcp://").split(":")
        return self.start("scheduler", "--host", host, "--port", port, "--no-dashboard")

    def worker(self):
        options = ("--nthreads", 1, "--no-nanny", "--no-dashboard", "--memory-limit", 0)
        return self.start("worker", self.address, *options)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait()
