"""The quick run in surroundings that once broke it, in a fresh copy of the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("flows", "cards", "fmnist_lib", "config")
#: Path with what shells, URLs, Jenkins and SQLite addresses treat specially.
STRANGE_PATH = "a b%2Fc'ü?"
#: User id that no passwd entry names. Reading stays allowed everywhere, since the interpreter may
#: lie in a home directory; writing does not.
UNKNOWN_UID = 54321
_READ = "-all,+dac_read_search"
AS_UNKNOWN_USER = (
    *("setpriv", "--reuid", str(UNKNOWN_UID), "--regid", str(UNKNOWN_UID), "--clear-groups"),
    *("--inh-caps", _READ, "--ambient-caps", _READ, "--bounding-set", _READ),
)
NOTEBOOK = {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}


@dataclass(frozen=True)
class Surroundings:
    """Path, user and variables with which a run is started."""

    path: str = "checkout"
    elsewhere: bool = False
    unknown_user: bool = False
    variables: dict[str, str] = field(default_factory=dict)


#: Every one of the surroundings at once.
ALL = Surroundings(STRANGE_PATH, elsewhere=True, unknown_user=True, variables=NOTEBOOK)


def can_change_user() -> bool:
    """True if a run can be started as another user here."""
    return os.geteuid() == 0 and shutil.which("setpriv") is not None


def run_in(
    surroundings: Surroundings, data: Path, config: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the quick configuration in a fresh copy, and remove the copy.

    Parameters
    ----------
    surroundings : Surroundings
    data : Path
        Directory with the four files, which are copied to where a run finds them.
    config : str, optional
        Content of the configuration, in place of that of the quick one.
    """
    scratch = Path(tempfile.mkdtemp(prefix="fmnist-surroundings-"))
    try:
        checkout, working = scratch / surroundings.path, scratch / "elsewhere"
        for folder in FOLDERS:
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / folder, checkout / folder, ignore=ignore)
        if config:
            (checkout / "config" / "quick.toml").write_text(config)
        shutil.copytree(data, scratch / "shared" / "fashion-mnist")
        working.mkdir()
        if surroundings.unknown_user:
            _give(scratch, UNKNOWN_UID)
        return subprocess.run(
            [
                *(AS_UNKNOWN_USER if surroundings.unknown_user else ()),
                *(sys.executable, str(checkout / "flows" / "train.py")),
                *("--config", "config", str(checkout / "config" / "quick.toml"), "run"),
            ],
            cwd=working if surroundings.elsewhere else checkout,
            env=_environment(surroundings),
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _environment(surroundings: Surroundings) -> dict[str, str]:
    """PATH and what the case sets; an ordinary user has a home and a name besides."""
    kept = ("PATH",) if surroundings.unknown_user else ("PATH", "HOME", "USER", "LANG")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    return environment | surroundings.variables


def _give(directory: Path, uid: int) -> None:
    for path in (directory, *directory.rglob("*")):
        os.chown(path, uid, uid)
        path.chmod(path.stat().st_mode | 0o600)
