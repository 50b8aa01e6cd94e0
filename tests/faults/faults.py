"""The faults: each is injected from outside while a task of the flow is paused, and undone."""

# ruff: noqa: ARG002 (every fault takes what any of them needs)
from __future__ import annotations

import contextlib
import resource
import signal
import subprocess
from dataclasses import dataclass

import psutil

#: Address space that a task may still allocate before it is out of memory.
_HEADROOM_BYTES = 8 * 2**20


@dataclass(frozen=True)
class Fault:
    """Does nothing; the others override `inject`, and `undo` before the run is resumed.

    Attributes
    ----------
    name : str
        Row of the table.
    message : str
        Regular expression that the run's output must contain; empty if nothing can be printed.
    traceback : bool
        True if a traceback is in order: an unforeseen exception is a bug.
    sudden : bool
        True if processes are killed, which then cannot delete their temporary files.
    exit_code : int
        Of the run.
    """

    name: str
    message: str = ""
    traceback: bool = False
    sudden: bool = False
    exit_code: int = 1

    @property
    def is_silent(self):
        """True if the run's own process is killed, which then cannot print anything."""
        return self.exit_code < 0

    def inject(self, run, task, step):
        """Inject the fault and let the task continue."""
        run.go_on(step)

    def undo(self, scene):
        """Repair what a user would repair before `resume`."""


class RaisedException(Fault):
    def inject(self, run, task, step):
        run.go_on(step, "raise")


class KilledTask(Fault):
    def inject(self, run, task, step):
        task.kill()


@dataclass(frozen=True)
class Signalled(Fault):
    """A signal to the process of the run alone; its tasks have to notice by themselves."""

    number: int = signal.SIGTERM

    def inject(self, run, task, step):
        run.process.send_signal(self.number)
        if self.number == signal.SIGKILL:
            run.go_on(step)


class Restart(Fault):
    """All processes are gone, and so is what was in the directory for temporary files."""

    def inject(self, run, task, step):
        everything = run.everything()
        for action in (psutil.Process.suspend, psutil.Process.kill):
            for process in everything:
                with contextlib.suppress(psutil.NoSuchProcess):
                    action(process)

    def undo(self, scene):
        scene.clear_temporary()


class OutOfMemory(Fault):
    def inject(self, run, task, step):
        limit = task.memory_info().vms + _HEADROOM_BYTES
        resource.prlimit(task.pid, resource.RLIMIT_AS, (limit, limit))
        run.go_on(step)


class FullDisk(Fault):
    def inject(self, run, task, step):
        filler = run.scene.disk / "filler"
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(2**20))
        with filler.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(512))
        run.go_on(step)

    def undo(self, scene):
        (scene.disk / "filler").unlink()


@dataclass(frozen=True)
class ReadOnly(Fault):
    """A directory of the scene becomes read-only for what is opened from now on."""

    directory: str = "datastore"

    def inject(self, run, task, step):
        make_read_only(getattr(run.scene, self.directory))
        run.go_on(step)

    def undo(self, scene):
        make_writable(getattr(scene, self.directory))


def make_read_only(directory):
    """Mount a directory on itself, read-only; a file that is open already stays writable."""
    place = str(directory)
    for options in (["--bind", place], ["-o", "remount,bind,ro"]):
        subprocess.run(["mount", *options, place], check=True)


def make_writable(directory):
    """Undo `make_read_only`."""
    subprocess.run(["umount", "--lazy", str(directory)], check=True)


STOPPING = [
    RaisedException("exception", "RuntimeError: injected by the test", traceback=True),
    KilledTask("kill -9 of the task", "killed by SIGKILL", sudden=True),
    Signalled("kill -9 of the run's process", sudden=True, exit_code=-9, number=signal.SIGKILL),
    Restart("machine restart: all processes gone", sudden=True, exit_code=-9),
    Signalled("SIGTERM", "To continue", exit_code=143, number=signal.SIGTERM),
    Signalled("SIGINT", "To continue", exit_code=130, number=signal.SIGINT),
    OutOfMemory("out of memory (rlimit)", "Out of memory"),
    FullDisk("disk full (tmpfs)", "No space left on device"),
    ReadOnly("read-only datastore", "Read-only file system", directory="datastore"),
]
BY_NAME = {fault.name: fault for fault in STOPPING}
