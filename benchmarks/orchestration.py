"""Overhead of the flow compared with one plain script with the same library calls.

python benchmarks/orchestration.py [--rounds N] [--config FILE]

Both run a configuration whose searches are bounded by trials, and so do the same work: by default
benchmarks/orchestration.toml, all 60,000 + 10,000 images. They take turns, each with a new
datastore, registry and cache. The script calls what the steps of flows/train.py call, keeps
everything in memory and renders no card; searches run side by side, and so do explanation, drift,
cross-fit and stress, as in the flow. What the flow adds is processes, imports, artifacts and cards.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fmnist_lib.common.candidate_result import CandidateResult
    from fmnist_lib.config.training import Settings
    from fmnist_lib.drift.report import DriftReport
    from fmnist_lib.explain.result import Explanation
    from fmnist_lib.workflows.cross_fit import CrossFitted
    from fmnist_lib.workflows.select import Selection
    from fmnist_lib.workflows.training_data import TrainingData

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
#: Characters of the output of a process that failed.
TAIL = 3000


@dataclass(frozen=True)
class Analyses:
    """Results of the steps that follow the selection; no cross-fit if the settings have none."""

    explanation: Explanation
    drift: DriftReport
    cross_fitted: CrossFitted | None


def main() -> None:
    """Time both in turns and print the ratio of the medians."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--config", type=Path, default=Path(__file__).with_suffix(".toml"), help="TOML file"
    )
    parser.add_argument("--as-script", action="store_true", help="do the work of the script once")
    options = parser.parse_args()
    config = options.config.resolve()
    if options.as_script:
        run_as_script(config)
        return
    flow = [sys.executable, str(ROOT / "flows" / "train.py"), "--config", "config"]
    script = [sys.executable, __file__, "--as-script", "--config"]
    commands = {"script": (script, []), "flow": (flow, ["run"])}
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(options.rounds):
        for name, (before, after) in commands.items():
            with tempfile.TemporaryDirectory() as directory:
                own = _with_directories(config, Path(directory))
                seconds[name].append(_time([*before, str(own), *after], Path(directory)))
            print(f"round {number + 1} {name}: {seconds[name][-1]:.1f} s", flush=True)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    ratio = medians["flow"] / medians["script"]
    print(f"medians: flow {medians['flow']:.1f} s, script {medians['script']:.1f} s")
    print(f"flow / script: {ratio:.3f}")


def _with_directories(config: Path, directory: Path) -> Path:
    """Write a copy of the configuration that keeps cache and bundle in a directory."""
    text = config.read_text(encoding="utf-8")
    text = text.replace("[search]\n", f'[search]\ncache = "{directory}/cache"\n', 1)
    text += f'\n[release]\ndirectory = "{directory}/bundles"\n'
    copy = directory / "config.toml"
    copy.write_text(text, encoding="utf-8")
    return copy


def _time(command: list[str], directory: Path) -> float:
    from fmnist_lib.common.paths import sqlite_address

    environment = os.environ | {
        "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(directory),
        "METAFLOW_USER": os.environ.get("METAFLOW_USER", "benchmark"),
        "MLFLOW_TRACKING_URI": sqlite_address(directory / "mlruns" / "mlflow.db"),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    start = time.monotonic()
    done = subprocess.run(
        command, env=environment, cwd=directory, check=False, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed: {(done.stdout + done.stderr)[-TAIL:]}")
    return time.monotonic() - start


def run_as_script(config: Path) -> None:
    """Do what the flow does, without Metaflow and cards."""
    from fmnist_lib.common.paths import resolve_path
    from fmnist_lib.config.loading import read_settings
    from fmnist_lib.eda.report import explore
    from fmnist_lib.registry.store import StoreAddress
    from fmnist_lib.search.execution.candidate import search_candidate
    from fmnist_lib.workflows.search import candidate_job, prepare_search
    from fmnist_lib.workflows.select import select
    from fmnist_lib.workflows.training_data import read_training_data

    settings: Settings = read_settings(config)
    cache = resolve_path(settings.search.cache, ROOT)
    address = StoreAddress(settings.tracking, ROOT, os.environ["MLFLOW_TRACKING_URI"])
    data = read_training_data(settings, address)
    dataset = data.dataset
    train, test = dataset.train, dataset.test
    explore(train.images, train.labels, test.images, test.labels, settings.eda, settings.seed)
    budget = prepare_search(dataset, settings, cache)

    def search(candidate: str) -> CandidateResult:
        return search_candidate(candidate_job(candidate, dataset, settings, budget, cache))

    with ThreadPoolExecutor(budget.workers) as pool:
        results = list(pool.map(search, budget.shares))
    selection = select(results, dataset, settings, budget, cache)
    pipelines = {result.id: result.pipeline for result in results}
    _publish(settings, data, selection, _analyse(settings, data, selection, pipelines, cache))


def _analyse(
    settings: Settings,
    data: TrainingData,
    selection: Selection,
    pipelines: dict[str, object],
    cache: Path,
) -> Analyses:
    """Explain and stress the winner, detect drift and cross-fit, side by side as in the flow."""
    from fmnist_lib.common.process import available_cores
    from fmnist_lib.drift.report import detect_drift
    from fmnist_lib.explain.explainer import explain
    from fmnist_lib.workflows.cross_fit import cross_fit_and_audit
    from fmnist_lib.workflows.stress import measure_stress

    dataset, winner, seed = data.dataset, selection.winner, settings.seed
    known = selection.test_probabilities
    images = (dataset.test.images, dataset.test.labels, dataset.train.images)
    searched = (selection.results, dataset, settings, cache)
    of_batch = (selection.reference, selection.held_back, winner.predict_proba)
    with ProcessPoolExecutor(available_cores() + 1, get_context("fork")) as pool:
        explanation = pool.submit(
            explain, winner, *images, settings.explain, seed, probabilities=known
        )
        drift = pool.submit(
            detect_drift, *of_batch, settings.drift, seed, held_back=selection.held_back
        )
        cross_fitted = settings.cross_fit.enabled and pool.submit(
            cross_fit_and_audit, *searched, test_probabilities=known
        )
        stress = pool.submit(
            measure_stress, selection.results, pipelines.__getitem__, dataset, known, settings
        )
    stress.result()
    return Analyses(
        explanation.result(), drift.result(), cross_fitted.result() if cross_fitted else None
    )


def _publish(
    settings: Settings, data: TrainingData, selection: Selection, analyses: Analyses
) -> None:
    """Build the report, write the bundle, and log and register the winner."""
    from fmnist_lib.common.run_report import RunIdentity
    from fmnist_lib.workflows.accuracy_checks import check_accuracy
    from fmnist_lib.workflows.publish import Published, publish
    from fmnist_lib.workflows.report import build_report

    dataset, known, crossed = data.dataset, selection.test_probabilities, analyses.cross_fitted
    drift = analyses.drift
    out_of_fold = crossed.out_of_fold if crossed else None
    report = build_report(
        dataset,
        selection.winner,
        audit=data.data_audit,
        identity=RunIdentity("script", "0", "script/0", "benchmark"),
        settings=settings.model_dump(mode="json"),
        data_version=data.data_version,
        candidates=selection.results,
        leaderboard=selection.leaderboard,
        contributions=selection.contributions,
        accuracy_checks=check_accuracy(
            dataset.test.labels, known, data.data_audit, out_of_fold, settings
        ),
        conformal=crossed.conformal if crossed else None,
        prediction_sets=crossed.prediction_sets if crossed else None,
        evaluation=selection.evaluation,
        test_probabilities=known,
        pictures=selection.pictures + analyses.explanation.pictures + drift.pictures,
        drift_verdict=drift.finding,
        detection=drift.detection,
    )
    environment_uri = os.environ["MLFLOW_TRACKING_URI"]
    Published.of(publish(report, dataset, selection.winner, ROOT, environment_uri))


if __name__ == "__main__":
    main()
