"""Clean-up of real Metaflow runs, made by flows in miniature so that each takes seconds."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SMALL = ROOT / "benchmarks" / "small_flows"
CLEANUP = ROOT / "flows" / "cleanup.py"
TRAIN, MONITOR = "FashionMnistTrain", "FashionMnistMonitor"

LOCKS = (".gate.lock", ".writers.lock", ".cleanup.lock")

pytestmark = pytest.mark.slow

OPEN = """
import sys
from metaflow import Run, namespace
from metaflow.cards import get_cards
namespace(None)
for pathspec in sys.argv[1:]:
    for step in Run(pathspec):
        for task in step:
            assert all([artifact.data is not ... for artifact in task]), task
            if task.successful and step.id in ("start", "publish") and "Train" in pathspec:
                assert "Metaflow" in get_cards(task)[0].get(), task
                print("card", end=" ")
            print(task.pathspec)
"""


class Place:
    """A directory with a datastore, in which the small flows run."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.environment = os.environ | {
            "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(directory),
            "MLFLOW_TRACKING_URI": f"sqlite:///{directory}/mlflow.db",
        }
        self.config = directory / "train.toml"

    def command(self, *words: object) -> list[str]:
        return [sys.executable, *map(str, words)]

    def call(self, *words: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words),
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def run(self, flow: str, *words: object, fails: bool = False) -> str:
        """Run a flow in miniature, and return the run's id."""
        done = self.call(SMALL / flow, "--no-pylint", *words)
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return re.search(r"run-id (\d+)", done.stdout)[1]

    def clean_up(self, *words: object) -> tuple[str, dict[str, int]]:
        """Clean up with no age limit; return the output, and the bytes by kind."""
        self.config.write_text(
            (ROOT / "config" / "quick.toml")
            .read_text()
            .replace("[search]\n", f'[search]\ncache = "{self.directory}/cache"\n')
            + f'\n[release]\ndirectory = "{self.directory}/bundles"\n'
            + f'\n[tracking]\nspool = "{self.directory}/spool"\n'
        )
        done = self.call(CLEANUP, "--config", self.config, "--min-age", 0, *words)
        assert done.returncode == 0, done.stdout + done.stderr
        table = re.findall(r"^(\w[\w ]*?) +([\d,]+)$", done.stdout, re.MULTILINE)
        return done.stdout, {kind: int(size.replace(",", "")) for kind, size in table}

    def files(self) -> dict[Path, int]:
        """Return the size of every file but the locks and the configuration."""
        found = (path for path in self.directory.rglob("*") if path.is_file())
        return {
            path: path.stat().st_size
            for path in found
            if path != self.config and path.name not in LOCKS
        }

    def runs(self, flow: str) -> set[str]:
        return {path.name for path in (self.directory / ".metaflow" / flow).glob("1*")}

    def check(self) -> None:
        """Check every blob of every run against its key, and that the origins are there."""
        for manifest in self.directory.glob(".metaflow/*/1*/*/*/*.data.json"):
            flow = manifest.parents[3]
            for key in json.loads(manifest.read_text())["objects"].values():
                content = (flow / "data" / key[:2] / key).read_bytes()
                assert (flow / "data" / key[:2] / f"{key}_meta").exists()
                assert hashlib.sha1(gzip.decompress(content)).hexdigest() == key  # noqa: S324 (Metaflow's own)
        for origin in self.directory.glob(".metaflow/*/1*/*/*/_meta/sysmeta_origin-run-id_*.json"):
            named = json.loads(origin.read_text())["value"]
            assert named == "None" or (origin.parents[4] / named / "_meta").is_dir(), origin

    def copy(self, target: Path) -> Place:
        shutil.copytree(self.directory, target, dirs_exist_ok=True)
        return Place(target)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A copy of a datastore with seven runs, their ids, and where it was made."""
    place = Place(tmp_path_factory.mktemp("made"))
    (place.directory / ".metaflow").mkdir()
    found = {"old": place.run("train.py", "run")}
    found["tagged"] = place.run("train.py", "run", "--tag", "paper")
    found["champion"] = place.run("train.py", "run")
    found["monitor"] = place.run("monitor.py", "run", "--run", found["champion"])
    found["origin"] = place.run("train.py", "run", "--succeeds-with", "fixed", fails=True)
    found["failed"] = place.run("train.py", "run", "--succeeds-with", "fixed", fails=True)
    (place.directory / "fixed").touch()
    found["resumed"] = place.run("train.py", "resume", "--origin-run-id", found["origin"])
    # The name of the last run would keep it: `resume` without an id reads it.
    (place.directory / ".metaflow" / TRAIN / "latest_run").write_text(found["origin"])
    return place.copy(tmp_path_factory.mktemp("pristine")), found, place.directory


@pytest.fixture
def place(made):
    """The datastore as it was made, and where: its metadata name the directory."""
    pristine, _, directory = made
    shutil.rmtree(directory)
    return pristine.copy(directory)


@pytest.fixture
def ids(made):
    return made[1]


def test_a_dry_run_changes_nothing_and_says_what_the_clean_up_frees(place, ids):
    before = place.files()
    output, expected = place.clean_up("--keep", 1)
    assert place.files() == before
    assert re.search(rf"{ids['tagged']}  kept: tagged paper", output)
    assert re.search(rf"{ids['champion']}  kept: champion of {MONITOR}/{ids['monitor']}", output)
    assert "Nothing has been deleted." in output

    _, freed = place.clean_up("--keep", 1, "--apply")
    after = place.files()
    assert freed == expected
    assert freed["total"] == sum(before.values()) - sum(after.values())
    assert all(freed[kind] for kind in ("datastore", "cards", "bundles"))
    assert place.runs(TRAIN) == {ids[one] for one in ("tagged", "champion", "origin", "resumed")}
    assert not [path for path in after if ids["old"] in str(path) or ids["failed"] in str(path)]
    place.check()
    assert place.clean_up("--keep", 1)[1]["total"] == 0


def test_every_kept_run_opens_and_can_be_resumed(place, ids, tmp_path):
    place.clean_up("--keep", 1, "--apply")
    kept = [f"{flow}/{run}" for flow in (TRAIN, MONITOR) for run in place.runs(flow)]
    done = subprocess.run(
        place.command("-c", OPEN, *kept),
        cwd=place.directory,
        env=place.environment
        | {
            "PYTHONPATH": f"{ROOT}:{ROOT / 'flows'}",
            # An empty one: the usual cache may hold blobs that the datastore has lost.
            "METAFLOW_CLIENT_CACHE_PATH": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # The card of a cloned task is that of the origin, which nothing else keeps.
    assert f"card {TRAIN}/{ids['resumed']}/start/1" in done.stdout.splitlines()
    again = place.run("train.py", "resume", "publish", "--origin-run-id", ids["resumed"])
    assert again in place.runs(TRAIN)
    place.check()


def test_beside_a_running_run_only_other_finished_runs_go_and_it_ends_well(place, ids):
    running = subprocess.Popen(
        place.command(SMALL / "train.py", "--no-pylint", "run", "--waits-for", "now"),
        cwd=place.directory,
        env=place.environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        for line in running.stdout:
            if "/publish/" in line:
                break
        (live,) = place.runs(TRAIN) - set(ids.values())
        before = {path for path in place.files() if live in str(path)}
        blobs = set(place.directory.glob(".metaflow/*/data/*/*"))
        output, _ = place.clean_up("--keep", 1, "--apply")
        assert "A run is running" in output
        assert before <= set(place.files())
        assert blobs <= set(place.directory.glob(".metaflow/*/data/*/*"))
        # Finished, and not needed by any other.
        assert ids["old"] not in place.runs(TRAIN)
        # It might be the running one, as far as a clean-up can tell.
        assert ids["failed"] in place.runs(TRAIN)
        (place.directory / "now").touch()
        running.communicate(timeout=60)
    finally:
        running.kill()
    assert running.returncode == 0
    place.check()
    assert place.clean_up("--keep", 1, "--apply")[1]["datastore"] > 0
    assert {ids["failed"]}.isdisjoint(place.runs(TRAIN))
    place.check()


def test_recent_runs_are_kept_unless_the_age_is_given(place, ids):
    done = place.call(CLEANUP, "--keep", 1)
    assert f"{ids['old']}  kept: written recently" in done.stdout


def test_a_clean_up_killed_at_any_operation_leaves_a_consistent_store(place, tmp_path, monkeypatch):
    """Every kind of operation on files is interrupted, at a sample of the moments."""
    monkeypatch.syspath_prepend(str(ROOT / "flows"))
    import housekeeping

    monkeypatch.setattr(housekeeping, "find_champion", _no_champion)
    calls = {"count": 0, "last": float("inf")}
    for name in ("unlink", "rmdir", "rename"):
        monkeypatch.setattr(Path, name, _counted(getattr(Path, name), calls))
    done = place.copy(tmp_path / "done")
    _apply(housekeeping, done.directory)
    expected, operations = _names(done), calls["count"]
    assert operations > 200
    moments = sorted({0, 1, 2, operations - 1, *range(5, operations, operations // 5)})
    for moment in moments:
        copy = place.copy(tmp_path / "copy")
        calls.update(count=0, last=moment)
        with pytest.raises(KeyboardInterrupt):
            _apply(housekeeping, copy.directory)
        copy.check()
        calls["last"] = float("inf")
        _apply(housekeeping, copy.directory)
        assert _names(copy) == expected
        shutil.rmtree(copy.directory)


def _no_champion(*_):
    from fmnist_lib.common.errors import DataError

    raise DataError("none")


def _counted(operation, calls):
    def counted(*arguments, **options):
        if calls["count"] >= calls["last"]:
            raise KeyboardInterrupt
        calls["count"] += 1
        return operation(*arguments, **options)

    return counted


def _apply(housekeeping, directory):
    from fmnist_lib.config.loading import override, read_settings
    from fmnist_lib.workflows.housekeeping import ProjectFiles
    from stored_runs import LocalStore

    settings = read_settings(ROOT / "config" / "quick.toml")
    store = LocalStore(directory / ".metaflow", directory / ".metaflow" / "mf.cards")
    files = ProjectFiles(override(settings), directory, f"sqlite:///{directory}/mlflow.db")
    return housekeeping.Housekeeping(store, files, keep=1, min_age_hours=0).apply()


def _names(place):
    return {path.relative_to(place.directory) for path in place.files()}


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"METAFLOW_DEFAULT_DATASTORE": "s3"}, "expected Metaflow's local datastore"),
        ({"METAFLOW_DATASTORE_SYSROOT_LOCAL": "/absent"}, "expected a folder .metaflow"),
        ({"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}, "expected it to answer"),
    ],
)
def test_a_mistake_is_one_message(place, variables, message):
    done = subprocess.run(
        place.command(CLEANUP),
        cwd=place.directory,
        env=place.environment | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
