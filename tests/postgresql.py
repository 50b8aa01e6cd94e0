"""Debian's PostgreSQL, started by tests and benchmarks on 127.0.0.1."""

from __future__ import annotations

import getpass
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.ports import free_port

INITDB = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))


class PostgreSQL:
    """A new server; it refuses to run as root, so then it runs as its own user.

    A context manager: it is stopped and its files are deleted at the end.

    Parameters
    ----------
    listen : str
        Address to listen on; other hosts are trusted, so it is no public one.
    """

    def __init__(self, listen="127.0.0.1"):
        self.port = free_port()
        self.address = self.address_at("127.0.0.1")
        self._listen = listen
        self._directory = Path(tempfile.mkdtemp(prefix="fmnist-postgresql-"))

    def __enter__(self):
        if getpass.getuser() == "root":
            shutil.chown(self._directory, "postgres", "postgres")
        self._run("initdb", "-U", "tester", "-A", "trust", "-E", "UTF8", "-N")
        if self._listen != "127.0.0.1":
            with (self._directory / "data" / "pg_hba.conf").open("a") as rules:
                rules.write("host all all samenet trust\n")
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self._directory, ignore_errors=True)

    def address_at(self, host):
        return f"postgresql+psycopg2://tester@{host}:{self.port}/postgres"

    def start(self):
        options = f"-p {self.port} -c listen_addresses={self._listen} -k {self._directory}"
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
