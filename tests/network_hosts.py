"""Hosts in network namespaces of this machine, for benchmarks of searches on several hosts.

The process itself is in a namespace without any other network, and every host has one cable to it.
Needs root.
"""

from __future__ import annotations

import os
import subprocess
import sys

_MARK = "FMNIST_BENCHMARK_NAMESPACE"


def enter_namespace():
    """Start this program again in a network namespace of its own, unless it is in one."""
    if _MARK not in os.environ:
        command = ["unshare", "--net", "--mount", sys.executable, *sys.argv]
        os.execvpe(command[0], command, os.environ | {_MARK: "1"})  # noqa: S606 (no shell)
    _ip("link", "set", "lo", "up")


class Host:
    """A network namespace that reaches this one at `gateway`."""

    def __init__(self, number):
        self._name, self._cable = f"fmnist-{os.getpid()}-{number}", f"cable{number}"
        self.gateway = f"10.9.{number}.1"
        _ip("netns", "add", self._name)
        _ip("link", "add", self._cable, "type", "veth", "peer", "eth0", "netns", self._name)
        _ip("addr", "add", f"{self.gateway}/24", "dev", self._cable)
        _ip("-n", self._name, "addr", "add", f"10.9.{number}.2/24", "dev", "eth0")
        _ip("-n", self._name, "link", "set", "eth0", "up")
        self.plug(in_use=True)

    def command(self, *words):
        """Return a command as it runs on this host."""
        return ["ip", "netns", "exec", self._name, *words]

    def plug(self, *, in_use):
        """Connect the cable, or disconnect it."""
        _ip("link", "set", self._cable, "up" if in_use else "down")


def _ip(*words):
    subprocess.run(["ip", *words], check=True)
