"""Overhead of the flow compared with one plain script with the same library calls.

python benchmarks/orchestration.py [--rounds N] [--config FILE]

Both run a configuration whose searches are bounded by trials, and so do the same work: by default
benchmarks/orchestration.toml, all 60,000 + 10,000 images. They take turns. The script keeps
everything in memory, renders no card, and runs its candidates side by side as the flow does; what
the flow adds is processes, imports, artifacts and cards.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))


def main() -> None:
    """Time both in turns and print the ratio of the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
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
    flow = [sys.executable, str(ROOT / "flows" / "train.py"), "--config", "config", str(config)]
    script = [sys.executable, __file__, "--as-script", "--config", str(config)]
    seconds: dict[str, list[float]] = {"script": [], "flow": []}
    with tempfile.TemporaryDirectory() as directory:
        for number in range(options.rounds):
            for name, command in (("script", script), ("flow", [*flow, "run"])):
                seconds[name].append(_time(command, Path(directory)))
                print(f"round {number + 1} {name}: {seconds[name][-1]:.1f} s", flush=True)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    ratio = medians["flow"] / medians["script"]
    print(f"medians: flow {medians['flow']:.1f} s, script {medians['script']:.1f} s")
    print(f"flow / script: {ratio:.3f}")


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
    subprocess.run(
        command,
        env=environment,
        cwd=directory,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return time.monotonic() - start


def run_as_script(config: Path) -> None:
    """Do what the flow does, in one process and without cards."""
    from fmnist_lib.common.run_report import RunIdentity
    from fmnist_lib.config.loading import read_settings
    from fmnist_lib.data.audit import audit
    from fmnist_lib.data.dataset import load_dataset
    from fmnist_lib.drift.batch import halves
    from fmnist_lib.drift.report import detect_drift
    from fmnist_lib.eda.report import explore
    from fmnist_lib.evaluation.figures import evaluation_pictures
    from fmnist_lib.evaluation.leaderboard import leaderboard, select_winner
    from fmnist_lib.evaluation.metrics import evaluate
    from fmnist_lib.explain.explainer import explain
    from fmnist_lib.search.execution.budget import plan_budget
    from fmnist_lib.search.execution.candidate import make_job, search_candidate
    from fmnist_lib.search.execution.refit_winner import refit_winner
    from fmnist_lib.search.recipes.column_cache import prepare_columns
    from fmnist_lib.search.recipes.pipelines import patch_sizes, shared_extractors
    from fmnist_lib.search.recipes.search_data import search_data
    from fmnist_lib.workflows.publish import publish
    from fmnist_lib.workflows.report import build_report

    settings = read_settings(config)
    seed = settings.seed
    dataset, version = load_dataset(settings.data, ROOT, seed)
    audit(dataset, settings.data.audit)
    train, test = dataset.train, dataset.test
    data = search_data(dataset, settings.search.holdout_share, seed)
    cache = ROOT / settings.search.cache
    explore(train.images, train.labels, test.images, test.labels, settings.eda, seed)
    budget = plan_budget(settings.search)
    extractors = shared_extractors(patch_sizes(settings.search))
    prepare_columns(data, extractors, seed, cache)
    jobs = [make_job(settings, candidate, data, budget, cache) for candidate in budget.shares]
    with ThreadPoolExecutor(budget.workers) as pool:
        results = list(pool.map(search_candidate, jobs))
    table = leaderboard(results, settings.search)
    winner = select_winner(results, settings.search)
    champion, _ = refit_winner(winner, results, data, settings, cache)
    probabilities = champion.predict_proba(test.images)
    evaluation = evaluate(test.labels, probabilities, settings.evaluation, seed)
    pictures = evaluation_pictures(evaluation, test.images)
    explanation = explain(champion, test.images, test.labels, train.images, settings.explain, seed)
    reference, held_back = halves(test.images, probabilities, seed)
    drift = detect_drift(reference, held_back, champion.predict_proba, settings.drift, seed)
    report = build_report(
        dataset,
        champion,
        identity=RunIdentity("script", "0", "script/0", "benchmark"),
        settings=settings.model_dump(mode="json"),
        data_version=version,
        candidates=results,
        leaderboard=table,
        evaluation=evaluation,
        test_probabilities=probabilities,
        pictures=pictures + explanation.pictures + drift.pictures,
        drift_verdict=drift.finding,
    )
    publish(report, dataset, champion, ROOT, os.environ["MLFLOW_TRACKING_URI"])


if __name__ == "__main__":
    main()
