"""What the orchestration costs: the flow against one plain script with the same library calls.

python benchmarks/orchestration.py [ROUNDS]

Both run the smoke configuration, whose searches are bounded by trials and so do the same work,
one after the other in turns. The script keeps everything in memory, renders no card, and runs
its candidates side by side as the flow does; what the flow adds is processes, imports, artifacts
and cards.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "config" / "quick.toml"
sys.path.insert(0, str(ROOT))


def main() -> None:
    """Time both in turns and print the ratio of the medians."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    flow = [sys.executable, str(ROOT / "flows" / "train.py"), "--config", "config", str(CONFIG)]
    script = [sys.executable, __file__, "--as-script"]
    seconds: dict[str, list[float]] = {"script": [], "flow": []}
    with tempfile.TemporaryDirectory() as directory:
        for number in range(rounds):
            for name, command in (("script", script), ("flow", [*flow, "run"])):
                seconds[name].append(_time(command, Path(directory)))
                print(f"round {number + 1} {name}: {seconds[name][-1]:.1f} s", flush=True)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    ratio = medians["flow"] / medians["script"]
    print(f"medians: flow {medians['flow']:.1f} s, script {medians['script']:.1f} s")
    print(f"flow / script: {ratio:.3f}")


def _time(command: list[str], directory: Path) -> float:
    environment = os.environ | {
        "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(directory),
        "METAFLOW_USER": os.environ.get("METAFLOW_USER", "benchmark"),
        "MLFLOW_TRACKING_URI": f"sqlite:///{directory}/mlruns/mlflow.db",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    start = time.monotonic()
    subprocess.run(command, env=environment, cwd=directory, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - start


def run_as_script() -> None:
    """Do what the flow does, in one process and without cards."""
    from fmnist_lib.config import read_settings
    from fmnist_lib.data.audit import audit
    from fmnist_lib.data.dataset import load_dataset
    from fmnist_lib.drift.batch import halves
    from fmnist_lib.drift.report import detect_drift
    from fmnist_lib.eda.report import explore
    from fmnist_lib.evaluation.figures import evaluation_pictures
    from fmnist_lib.evaluation.leaderboard import leaderboard, pick_champion
    from fmnist_lib.evaluation.metrics import evaluate
    from fmnist_lib.explain.explainer import explain
    from fmnist_lib.search.budget import plan_budget
    from fmnist_lib.search.champion import refit
    from fmnist_lib.search.job import make_job, search_data
    from fmnist_lib.search.supervisor import supervise

    settings = read_settings(CONFIG)
    seed = settings.seed
    dataset, version = load_dataset(settings.data, ROOT, seed)
    audit(dataset, settings.data.audit)
    train, test, data = dataset.train, dataset.test, search_data(dataset)
    explore(train.images, train.labels, test.images, test.labels, settings.eda, seed)
    budget = plan_budget(settings.search)
    jobs = [make_job(settings, candidate, data, budget) for candidate in budget.order]
    with ThreadPoolExecutor(budget.workers) as pool:
        results = list(pool.map(lambda job: supervise(job, budget.threads), jobs))
    table = leaderboard(results)
    champion = refit(pick_champion(results).pipeline, data, budget.threads)
    probabilities = champion.predict_proba(test.images)
    evaluation = evaluate(test.labels, probabilities, settings.evaluation, seed)
    pictures = evaluation_pictures(table, evaluation, test.images)
    explanation = explain(champion, test.images, test.labels, train.images, settings.explain, seed)
    reference, held_back = halves(test.images, probabilities, seed)
    report = detect_drift(reference, held_back, champion.predict_proba, settings.drift, seed)
    pictures += explanation.pictures + report.pictures
    _publish(settings, version, dataset, champion, probabilities, table, evaluation, pictures)


def _publish(  # noqa: PLR0917 (called once)
    settings, version, dataset, champion, probabilities, table, evaluation, pictures
) -> None:
    from fmnist_lib.release.bundle import BundleContents, write_bundle
    from fmnist_lib.tracking.model import save_model
    from fmnist_lib.tracking.runs import RunIdentity, TrainingRecord, log_training_run
    from fmnist_lib.tracking.store import prepare_store

    metrics = evaluation.as_metrics()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        model = save_model(champion, dataset.test.images[:100], directory / "model")
        write_bundle(
            directory / "bundle.zip",
            BundleContents(
                splits={n: (s.images, s.labels) for n, s in dataset.splits.items()},
                data_version=version,
                model_file=model.file,
                model_format=model.format,
                trusted_types=model.trusted_types,
                settings=settings,
                leaderboard=table,
                metrics=metrics,
                test_probabilities=probabilities,
                source_root=ROOT,
            ),
        )
        uri = os.environ["MLFLOW_TRACKING_URI"]
        log_training_run(
            prepare_store(settings.tracking, directory, uri),
            TrainingRecord(
                identity=RunIdentity("script", "0", "script/0", "benchmark"),
                settings=settings,
                data_version=version,
                leaderboard=table,
                candidates={},
                test_metrics=metrics,
                pictures=pictures,
            ),
            model,
        )


if __name__ == "__main__":
    if sys.argv[1:] == ["--as-script"]:
        run_as_script()
    else:
        main()
