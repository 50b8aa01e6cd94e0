"""Debian's PostgreSQL, started by tests and benchmarks on 127.0.0.1."""

from __future__ import annotations

import getpass
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

INITDB = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class PostgreSQL:
    """A new server; it refuses to run as root, so then it runs as its own user.

    A context manager: it is stopped and its files are deleted at the end.
    """

    def __init__(self):
        self.port = free_port()
        self.address = f"postgresql+psycopg2://tester@127.0.0.1:{self.port}/postgres"
        self._directory = Path(tempfile.mkdtemp(prefix="fmnist-postgresql-"))

    def __enter__(self):
        if getpass.getuser() == "root":
            shutil.chown(self._directory, "postgres", "postgres")
        self._run("initdb", "-U", "tester", "-A", "trust", "-E", "UTF8", "-N")
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self._directory, ignore_errors=True)

    def start(self):
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self._directory}"
        options += " -c max_connections=200"
        log = ("-l", self._directory / "log")
        self._run("pg_ctl", *log, "-w", "-t", "300", "-o", options, "start")

    def stop(self):
        """End it without waiting for its clients."""
        self._run("pg_ctl", "-m", "immediate", "stop")

    def _run(self, program, *words):
        root = getpass.getuser() == "root"
        switch = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        command = [INITDB[-1].with_name(program), "-D", self._directory / "data", *words]
        subprocess.run(
            [*(switch if root else []), *map(str, command)],
            check=True,
            cwd="/",
            stdout=subprocess.DEVNULL,
        )
