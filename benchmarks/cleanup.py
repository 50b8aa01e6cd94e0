"""Clean-up of twelve runs: bytes as predicted, kept runs open, beside a running run, 20 kills.

python benchmarks/cleanup.py

The runs are those of `benchmarks/small_flows`, with resumes, retrainings and promotions, in a
temporary directory: flows in miniature under the names of the real ones, with a real datastore,
real cards and a real MLflow registry.
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
import time
from pathlib import Path

from small_flows.place import MONITOR, SMALL, TRAIN, Place

KILLS = 20
KEEP = 1
#: Options of two runs that share a blob with each other alone.
SHARED = ("--late", "77777")


def main() -> None:
    """Build the datastore, and print one line per check."""
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    with tempfile.TemporaryDirectory(prefix="cleanup-") as name:
        directory = Path(name)
        place = Place(directory / "place")
        runs = make_runs(place)
        pristine = place.copy(directory / "pristine")
        predicted, expected = check_bytes(place, runs)
        pristine.copy(place.directory)
        check_beside_a_run(place)
        check_kills(pristine, place, expected, predicted)


def make_runs(place: Place) -> dict[str, str]:
    """Make twelve runs; return the ids of those that the last is not enough to keep, by name."""
    registered = ("run", "--promoted", "--registry", place.store)
    found = {"plain": place.run("train.py", "run", *SHARED)}
    found["unregistered"] = place.run("train.py", "run", "--registry", place.store)
    delete_version(place, "1")
    found["tagged"] = place.run("train.py", "run", "--tag", "paper")
    found["champion"] = place.run("train.py", *registered)
    found["idle monitor"] = place.run("monitor.py", "run", "--run", found["plain"])
    found["failed"] = place.run("train.py", "run", "--succeeds-with", "fixed", fails=True)
    found["origin"] = place.run("train.py", "run", "--succeeds-with", "fixed", fails=True)
    resume = ("resume", "--origin-run-id")
    found["failed resume"] = place.run("train.py", *resume, found["origin"], fails=True)
    (place.directory / "fixed").touch()
    found["monitor"] = place.run("monitor.py", "run", "--run", found["champion"])
    retraining = ("--monitor", found["monitor"])
    found["retraining"] = place.run("train.py", *registered, *retraining)
    found["plain 2"] = place.run("train.py", "run")
    found["resumed twice"] = place.run("train.py", *resume, found["failed resume"])
    # `resume` without an id would resume this one, so it would be kept.
    (place.directory / ".metaflow" / TRAIN / "latest_run").write_text(found["resumed twice"])
    return found


def delete_version(place: Place, version: str) -> None:
    """Delete a registered version, as its user would."""
    from mlflow import MlflowClient

    MlflowClient(place.store, place.store).delete_model_version("fashion-mnist", version)


def check_bytes(place: Place, runs: dict[str, str]) -> tuple[int, set[Path]]:
    """Compare the dry run with the clean-up; return the bytes, and the remaining files."""
    before = place.files()
    output, predicted = place.clean_up("--keep", KEEP)
    require(place.files() == before, "a dry run changed files")
    _, freed = place.clean_up("--keep", KEEP, "--apply")
    after = place.files()
    measured = sum(before.values()) - sum(after.values())
    require(predicted == freed and freed["total"] == measured, f"{predicted} {freed} {measured}")
    print(output)
    print(f"{len(runs)} runs. Dry run: {predicted['total']:,} bytes; freed: {measured:,} bytes.")
    place.check()
    kept = {name for name, run in runs.items() if run in place.runs(TRAIN) | place.runs(MONITOR)}
    print(f"Kept: {', '.join(sorted(kept))}.")
    print(f"{len(place.open_everything())} kept tasks open: artifacts, logs, cards.")
    load_registered(place)
    return measured, set(after)


def load_registered(place: Place) -> None:
    """Read the file of every registered version."""
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    from mlflow import MlflowClient

    registry = MlflowClient(place.store, place.store)
    versions = registry.search_model_versions("name = 'fashion-mnist'")
    for version in versions:
        with tempfile.TemporaryDirectory() as target:
            file = registry.download_artifacts(version.run_id, "model.txt", target)
            require(Path(file).stat().st_size > 0, version.version)
    print(f"{len(versions)} registered versions open.")


def check_beside_a_run(place: Place) -> None:
    """Clean up beside a run that is running, and which shares a blob with a deleted one."""
    running = place.start(SMALL / "train.py", "--no-pylint", "run", "--waits-for", "now", *SHARED)
    for line in running.stdout:
        if "/publish/" in line:
            live = line.split("[")[1].split("/")[0]
            break
    before = {path for path in place.files() if live in str(path)}
    blobs = set(place.directory.glob(".metaflow/*/data/*/*"))
    _, freed = place.clean_up("--keep", KEEP, "--apply")
    untouched = before <= set(place.files())
    untouched &= blobs <= set(place.directory.glob(".metaflow/*/data/*/*"))
    (place.directory / "now").touch()
    running.communicate()
    require(untouched and running.returncode == 0, f"the running run {live}")
    place.check()
    tasks = len(place.open_everything())
    print(f"Beside a running run: {freed['total']:,} bytes freed, none of it and no blob;")
    print(f"it succeeded, and all {tasks} tasks open.")


def check_kills(pristine: Place, place: Place, expected: set[Path], size: int) -> None:
    """Kill clean-ups at random moments; check the store, complete it, and compare."""
    moments = random.Random(20)  # noqa: S311 (no secret)
    interrupted = 0
    window = deletion_seconds(pristine, place)
    for _ in range(KILLS):
        pristine.copy(place.directory)
        total = sum(place.files().values())
        process = start_until_deletion(place)
        time.sleep(moments.uniform(0, window))
        interrupted += process.poll() is None
        process.kill()
        process.communicate()
        place.check()
        place.open_everything()
        place.clean_up("--keep", KEEP, "--apply")
        require(set(place.files()) == expected, "other files than after a clean-up in one go")
        require(total - sum(place.files().values()) == size, "other bytes")
    print(f"{KILLS} kills within {window:.2f} s of deleting, {interrupted} before the end: every")
    print("store consistent, every remaining run open, and completed by the next clean-up.")


def start_until_deletion(place: Place):
    """Start a clean-up, and return its process once it begins to delete."""
    process = place.start(*place.cleanup_command("--keep", KEEP, "--apply"))
    while process.poll() is None and not list(place.directory.glob(".metaflow/*/.trash/*")):
        time.sleep(0.002)
    return process


def deletion_seconds(pristine: Place, place: Place) -> float:
    """Return the seconds between the beginning of the deletions and the end."""
    pristine.copy(place.directory)
    process = start_until_deletion(place)
    started = time.monotonic()
    process.communicate()
    return time.monotonic() - started


def require(truth: bool, what: object) -> None:
    """Stop with what is wrong."""
    if not truth:
        raise SystemExit(f"FAILED: {what}")


if __name__ == "__main__":
    main()
