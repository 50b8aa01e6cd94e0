"""Clean-up of real Metaflow runs, made by flows in miniature so that each takes seconds."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from benchmarks.small_flows.place import CLEANUP, MONITOR, ROOT, SMALL, TRAIN, Place

#: Options of two runs that share a blob with each other alone.
SHARED = ("--late", "77777")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A copy of a datastore with six runs, their ids, and where it was made."""
    place = Place(tmp_path_factory.mktemp("made"))
    found = {"old": place.run("train.py", "run", *SHARED)}
    found["champion"] = place.run("train.py", "run")
    found["monitor"] = place.run("monitor.py", "run", "--run", found["champion"])
    found["origin"] = place.run("train.py", "run", "--succeeds-with", "fixed", fails=True)
    found["failed"] = place.run("train.py", "run", "--succeeds-with", "fixed", fails=True)
    (place.directory / "fixed").touch()
    found["resumed"] = place.run("train.py", "resume", "--origin-run-id", found["origin"])
    # Without this it would be kept: `resume` without an id resumes it.
    (place.directory / ".metaflow" / TRAIN / "latest_run").write_text(found["resumed"])
    return place.copy(tmp_path_factory.mktemp("pristine")), found, place.directory


@pytest.fixture
def place(made):
    """The datastore as it was made, and where: its metadata name the directory."""
    pristine, _, directory = made
    return pristine.copy(directory)


@pytest.fixture
def ids(made):
    return made[1]


def test_a_dry_run_changes_nothing_and_says_what_the_clean_up_frees(place, ids):
    before = place.files()
    output, expected = place.clean_up("--keep", 1)
    assert place.files() == before
    assert re.search(rf"{ids['champion']}  kept: champion of {MONITOR}/{ids['monitor']}", output)
    assert "Nothing has been deleted." in output

    _, freed = place.clean_up("--keep", 1, "--apply")
    after = place.files()
    assert freed == expected
    assert freed["total"] == sum(before.values()) - sum(after.values())
    assert all(freed[kind] for kind in ("datastore", "cards", "bundles"))
    assert place.runs(TRAIN) == {ids[one] for one in ("champion", "origin", "resumed")}
    assert not [path for path in after if ids["old"] in str(path) or ids["failed"] in str(path)]
    place.check()
    assert place.clean_up("--keep", 1)[1]["total"] == 0


def test_every_kept_run_opens_and_can_be_resumed(place, ids):
    place.clean_up("--keep", 1, "--apply")
    # The card of a cloned task is that of the origin, which nothing else keeps.
    assert f"card {TRAIN}/{ids['resumed']}/start/1" in place.open_everything()
    again = place.run("train.py", "resume", "publish", "--origin-run-id", ids["resumed"])
    assert again in place.runs(TRAIN)
    place.check()


def test_beside_a_running_run_only_other_finished_runs_go_and_it_ends_well(place, ids):
    running = place.start(SMALL / "train.py", "--no-pylint", "run", "--waits-for", "now", *SHARED)
    try:
        for line in running.stdout:
            if "/publish/" in line:
                break
        (live,) = place.runs(TRAIN) - set(ids.values())
        before = {path for path in place.files() if live in str(path)}
        blobs = set(place.directory.glob(".metaflow/*/data/*/*"))
        output, _ = place.clean_up("--keep", 1, "--apply")
        assert "A run is in progress" in output
        assert before <= set(place.files())
        assert blobs <= set(place.directory.glob(".metaflow/*/data/*/*"))
        # Finished, and not needed by any other.
        assert ids["old"] not in place.runs(TRAIN)
        # It might be the running one, as far as a clean-up can tell.
        assert ids["failed"] in place.runs(TRAIN)
        (place.directory / "now").touch()
        running.communicate(timeout=60)
    finally:
        # Ends the tasks as well, if an assertion failed.
        running.terminate()
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
    from housekeeping import clean_up

    monkeypatch.setattr(clean_up, "find_champion", _no_champion)
    calls = {"count": 0, "last": float("inf")}
    for name in ("unlink", "rmdir", "rename"):
        monkeypatch.setattr(Path, name, _counted(getattr(Path, name), calls))
    done = place.copy(tmp_path / "done")
    _apply(clean_up, done.directory)
    expected, operations = set(done.files()), calls["count"]
    assert operations > 200
    moments = sorted({0, 1, 2, operations - 1, *range(5, operations, operations // 5)})
    for moment in moments:
        copy = place.copy(tmp_path / "copy")
        calls.update(count=0, last=moment)
        with pytest.raises(KeyboardInterrupt):
            _apply(clean_up, copy.directory)
        copy.check()
        calls["last"] = float("inf")
        _apply(clean_up, copy.directory)
        assert set(copy.files()) == expected


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
    from housekeeping.stored_runs import LocalStore

    settings = read_settings(ROOT / "config" / "quick.toml")
    store = LocalStore(directory / ".metaflow", directory / ".metaflow" / "mf.cards")
    files = ProjectFiles(override(settings), directory, f"sqlite:///{directory}/mlflow.db")
    return housekeeping.Housekeeping(store, files, keep=1, min_age_hours=0).apply()


def test_a_registered_real_run_is_kept_whole(project, finished, made, ids, tmp_path):
    """Beside runs in miniature, the last of which is the newest, in a copy of its datastore."""
    for name in (".metaflow", "mlruns"):
        shutil.copytree(project.directory / name, tmp_path / name)
    shutil.copytree(made[0].directory / ".metaflow", tmp_path / ".metaflow", dirs_exist_ok=True)
    place = Place(tmp_path)
    place.run("train.py", "run")
    before = {path for path in place.files() if finished.id in str(path)}
    output, freed = place.clean_up("--keep", 1, "--apply")
    assert re.search(rf"{finished.id}  kept: its model is registered", output)
    assert ids["old"] not in place.runs(TRAIN)
    assert freed["datastore"] > 0
    assert before <= set(place.files())
    place.check()


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"METAFLOW_DEFAULT_DATASTORE": "s3"}, "expected Metaflow's local datastore"),
        ({"METAFLOW_DATASTORE_SYSROOT_LOCAL": "/absent"}, "expected a folder .metaflow"),
        ({"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}, "expected it to answer"),
    ],
)
def test_a_mistake_is_one_message(place, variables, message):
    done = place.call(CLEANUP, **variables)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
