"""One study searched by several workers on PostgreSQL: speed, and what killed workers cost.

python benchmarks/shared_search.py speed     wall time of two workers and of one, same trials
python benchmarks/shared_search.py kills     ten workers killed, the database restarted twice
python benchmarks/shared_search.py hosts     the same in network namespaces, one of them cut off
python benchmarks/shared_search.py cluster   TPOT on Dask: a worker killed, the scheduler restarted

The workers are processes of `python -m fmnist_lib study work` or `dask worker`; all servers are
started on 127.0.0.1, or in a namespace, which needs root. All but `cluster` need Debian's
postgresql, all need the official images. `speed` needs two idle cores.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import cast

import optuna
import psutil
from optuna.trial import TrialState

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from fmnist_lib.config.loading import validate_settings  # noqa: E402 (the line above)
from fmnist_lib.config.search import OptunaCandidate, TpotCandidate  # noqa: E402
from fmnist_lib.config.training import DataConfig  # noqa: E402
from fmnist_lib.data.dataset import load_dataset  # noqa: E402
from fmnist_lib.search.engines import shared_study  # noqa: E402
from fmnist_lib.search.engines.job import Job  # noqa: E402
from fmnist_lib.search.engines.search_space import suggest  # noqa: E402
from fmnist_lib.search.execution.candidate import search_candidate  # noqa: E402
from fmnist_lib.search.recipes.search_data import search_data  # noqa: E402
from fmnist_lib.workflows.search import candidate_job, prepare_search  # noqa: E402
from tests.dask_cluster import Cluster  # noqa: E402
from tests.network_hosts import Host, enter_namespace  # noqa: E402
from tests.postgresql import PostgreSQL  # noqa: E402

#: Learners on one thread: a kernel would use both cores in one worker already.
CANDIDATE = {"id": "o", "engine": "optuna", "families": ["neural"], "features": ["gradients"]}
LONGEST_OUTAGE, CUT_OFF_SECONDS, KILLS = 3.0, 15.0, 10


class Searches:
    """Studies of the same images on one database, and workers of them."""

    def __init__(self, database, cache, n_trials, rows, hosts=()):
        self.hosts = hosts
        self.database, self.cache, self.n_trials = database, cache, n_trials
        self.settings = validate_settings(
            {
                "data": {"rows": rows, "synthetic_fallback": False},
                "search": {
                    "study_storage": database.address,
                    "heartbeat_seconds": 1,
                    "candidates": [CANDIDATE | {"trials": n_trials}],
                },
            },
            "benchmark",
        )
        self.dataset, _ = load_dataset(self.settings.data, ROOT, self.settings.seed)
        self.budget = prepare_search(self.dataset, self.settings, cache)

    def study(self, name):
        """Make a study whose trials, the same in every study, are queued."""
        job = candidate_job("o", self.dataset, self.settings, self.budget, self.cache, name)
        study = shared_study.open_study(job, optuna.pruners.NopPruner())
        sampled = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
        for _ in range(self.n_trials):
            trial = sampled.ask()
            suggest(trial, cast("OptunaCandidate", job.candidate), job.patch_sizes)
            study.enqueue_trial(trial.params)
        shared_study.describe(study, job)
        return study

    def worker(self, study, number=0):
        """Start a worker of a study, on one of the hosts if there are several."""
        command = [sys.executable, "-m", "fmnist_lib", "study", "work", study.study_name]
        address = self.database.address
        if self.hosts:
            command = self.hosts[number].command(*command)
            address = self.database.address_at(self.hosts[number].gateway)
        return subprocess.Popen(
            [*command, "--study-storage", address, "--cache", str(self.cache)],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )


def expect(condition, what):
    """End the benchmark if something is not as it should be."""
    if not condition:
        raise SystemExit(f"expected {what}")


def run_workers(searches, name, n_workers):
    """Return the seconds from the first trial's start to the last one's end, and their sum."""
    study = searches.study(name)
    for worker in [searches.worker(study) for _ in range(n_workers)]:
        expect(worker.wait() == 0, "a worker that ends with exit code 0")
    trials = study.trials
    audit(trials, searches.n_trials)
    wall = max(t.datetime_complete for t in trials) - min(t.datetime_start for t in trials)
    return wall.total_seconds(), sum(t.duration.total_seconds() for t in trials)


def speed(searches, repeats):
    """Print the wall times of one worker and of two, in turn, and their ratio."""
    walls = {1: [], 2: []}
    print("workers  trials  wall s  sum of the trials' s")
    for repeat in range(repeats):
        for n_workers, found in walls.items():
            wall, total = run_workers(searches, f"speed/{repeat}/{n_workers}", n_workers)
            found.append(wall)
            print(f"{n_workers:7}  {searches.n_trials:6}  {wall:6.1f}  {total:6.1f}", flush=True)
    ratios = [two / one for one, two in zip(walls[1], walls[2], strict=True)]
    print(f"two workers / one: {statistics.median(ratios):.2f} (at most 0.62)")


def kills(searches):
    """Kill a worker in mid-trial, replace it, ten times; print what became of the trials."""
    chance = random.Random(0)  # noqa: S311 (no secret)
    study = searches.study("kills/0")
    workers = [searches.worker(study, number) for number in range(2)]
    for number in range(1, KILLS + 1):
        wait_for_trial(study, workers)
        time.sleep(chance.uniform(0.0, 1.5))
        victim = chance.randrange(2)
        os.killpg(workers[victim].pid, signal.SIGKILL)
        workers[victim].wait()
        print(f"kill {number}: {dict(states(study.trials))}", flush=True)
        if number in {3, 7}:
            searches.database.stop()
            time.sleep(chance.uniform(1.0, LONGEST_OUTAGE))
            searches.database.start()
            print("database restarted", flush=True)
        workers[victim] = searches.worker(study, victim)
        if searches.hosts and number == KILLS // 2:
            wait_for_trial(study, workers)
            cut_off(searches.hosts[victim], study)
    for worker in workers:
        expect(worker.wait() == 0, "a worker that ends with exit code 0")
    print_audit(study.trials, searches.n_trials)


def cut_off(host, study):
    """Disconnect a host for longer than its worker's trial is kept for it."""
    host.plug(in_use=False)
    time.sleep(CUT_OFF_SECONDS)
    print(f"a host was cut off: {dict(states(study.trials))}", flush=True)
    host.plug(in_use=True)


def cluster(data, generations=12):
    """Kill a Dask worker, then restart the scheduler, during an evolution; print its pipelines."""
    candidate = TpotCandidate(
        id="t", engine="tpot", rows=3000, components=60, population=6, generations=generations
    )
    with tempfile.TemporaryDirectory() as directory, Cluster(Path(directory)) as dask:
        scheduler, workers = dask.scheduler(), [dask.worker(), dask.worker()]

        def restart_scheduler():
            scheduler.kill()
            workers[1].wait()  # Dask's workers end without their scheduler
            dask.scheduler()
            dask.worker()

        n_least = candidate.population * generations
        faults = [
            (n_least // 3, "a worker is killed", workers[0].kill),
            (2 * n_least // 3, "the scheduler is restarted", restart_scheduler),
        ]

        def on_progress(progress):
            if faults and progress.trials >= faults[0][0]:
                _, name, cause = faults.pop(0)
                print(f"after {progress.trials} pipelines {name}", flush=True)
                cause()

        job = Job(candidate, data, 0, Path(directory), dask_scheduler=dask.address)
        result = search_candidate(job, on_progress)
    expect(result.error is None, f"a pipeline, got: {result.error}")
    expect(not faults, "an evolution that is longer than the faults")
    print(f"pipelines: {result.trials['state'].value_counts().to_dict()}")
    print(f"validation accuracy of the best: {result.validation_accuracy.value:.3f}")


def wait_for_trial(study, workers):
    """Wait until every worker runs a trial, so that a kill hits one."""
    while all(worker.poll() is None for worker in workers):
        running = [trial for trial in study.trials if trial.state == TrialState.RUNNING]
        busy = {trial.user_attrs.get(shared_study.WORKER, ":").split(":")[1] for trial in running}
        # A worker's trials run in a child process of its own.
        children = [psutil.Process(worker.pid).children() for worker in workers]
        if all(busy & {str(child.pid) for child in found} for found in children):
            return
        time.sleep(0.1)
    raise SystemExit("expected ten kills before the end of the search: give it more --trials")


def states(trials):
    """Count the trials by state."""
    return Counter(trial.state.name.lower() for trial in trials)


def audit(trials, n_trials):
    """Check that every trial that was asked for has ended, once; return those that were repeated.

    Every queued trial has its own hyper-parameters, and its repetitions have the same.
    """
    slots = shared_study.slots_of(trials)
    repeated = shared_study.repeated_trials(trials)
    points = {str(sorted(trial.system_attrs["fixed_params"].items())) for trial in slots}
    expect(all(trial.state.is_finished() for trial in slots), "that every trial has ended")
    expect(len(points) == n_trials, f"{n_trials} trials, none lost")
    expect(len(slots) == n_trials, f"{n_trials} trials, none twice")
    expect(len(trials) == n_trials + len(repeated), "only killed workers' trials repeated")
    return repeated


def print_audit(trials, n_trials):
    """Print the outcome of the trials that were asked for."""
    repeated = audit(trials, n_trials)
    slots = shared_study.slots_of(trials)
    print(f"{n_trials} trials asked for: {dict(states(slots))}; none lost, none twice")
    print(f"{len(repeated)} trials of killed workers were queued again and ended")


def main():
    """Run one of the benchmarks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["speed", "kills", "hosts", "cluster"])
    parser.add_argument("--trials", type=int, help="default: 60 for speed, else 200")
    parser.add_argument("--rows", type=int, default=12_000)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    if arguments.what == "cluster":
        dataset, _ = load_dataset(DataConfig(rows=arguments.rows), ROOT, 0)
        cluster(search_data(dataset, 0.2, 0))
        return
    hosts: tuple[Host, ...] = ()
    listen = "127.0.0.1"
    if arguments.what == "hosts":
        enter_namespace()
        hosts, listen = (Host(1), Host(2)), "0.0.0.0"  # noqa: S104 (of the namespace)
    n_trials = arguments.trials or (60 if arguments.what == "speed" else 200)
    with PostgreSQL(listen) as database, tempfile.TemporaryDirectory() as cache:
        searches = Searches(database, Path(cache), n_trials, arguments.rows, hosts)
        if arguments.what == "speed":
            speed(searches, arguments.repeats)
        else:
            kills(searches)


if __name__ == "__main__":
    main()
