"""Rules that end a search early, replayed on recorded searches that used their whole budget.

python benchmarks/early_stopping.py --recordings DIRECTORY --seeds 20 21 [--minutes 8]
python benchmarks/early_stopping.py --recordings DIRECTORY

With seeds, the default configuration is searched without early stopping, seed after seed, and
every trial is recorded; then all recordings in the directory are replayed. A rule sees the trials
of one candidate in their order and may end its search after any of them. Per rule:

lost : mean over the recordings of the best held-out accuracy at the end of the whole search, less
    the best one when the rule ended it; held-out images are training images
saved : mean minutes by which the last candidate ends earlier; the first candidate has a worker of
    its own, the others follow each other

A rule of the project counts whole generations in a TPOT evolution. Optuna's terminators need trials
that were fitted on all rows, so they end Optuna studies only; most need PyTorch, which is no
requirement of the project, and are left out without it. The table goes to
benchmarks/results/early_stopping.csv.
"""

from __future__ import annotations

import argparse
import math
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from optuna.terminator import BaseTerminator
    from optuna.trial import FrozenTrial

    #: Takes the trials so far (number, seconds, best accuracy), and the same trials of the study
    #: (none of TPOT); True ends the search.
    Rule = Callable[[pd.DataFrame, Sequence[FrozenTrial]], bool]

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
RESULTS = ROOT / "benchmarks" / "results"
#: Part of the names of the studies, before that of the candidate.
STUDY = "recording"


def main() -> None:
    """Record the seeds, then replay every recording."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recordings", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="*", default=[], help="searches to record")
    parser.add_argument("--minutes", type=float, default=8.0)
    options = parser.parse_args()
    for seed in options.seeds:
        record(options.recordings / f"{options.minutes:g}-{seed}", seed, options.minutes)
    table = compare(sorted(options.recordings.glob("*/trials.csv")))
    RESULTS.mkdir(exist_ok=True)
    table.to_csv(RESULTS / "early_stopping.csv", index=False)
    print(table.to_string(index=False))


def record(directory: Path, seed: int, minutes: float) -> None:
    """Search with the whole budget, as the flow does, and write what every trial reported."""
    from fmnist_lib.config.loading import override, read_settings
    from fmnist_lib.config.training import DEFAULT_CONFIG
    from fmnist_lib.data.dataset import load_dataset
    from fmnist_lib.search.execution.candidate import search_candidate
    from fmnist_lib.workflows.search import candidate_job, prepare_search

    settings = override(read_settings(DEFAULT_CONFIG), seed=seed, minutes=minutes)
    search = settings.search.model_copy(update={"early_stop": False, "warm_start": False})
    settings = settings.model_copy(update={"search": search})
    dataset, _ = load_dataset(settings.data, ROOT, seed)
    shutil.rmtree(directory, ignore_errors=True)
    budget = prepare_search(dataset, settings, directory)
    rows: list[dict[str, object]] = []

    def run(name: str) -> None:
        begin = time.time()
        history: list[dict[str, object]] = []
        job = candidate_job(name, dataset, settings, budget, directory, STUDY)
        result = search_candidate(job, lambda progress: history.append(asdict(progress)))
        print(f"{name}: {result.trial_accuracy} {result.stopped} {result.error}", flush=True)
        end = {
            "candidate": name,
            "begin": begin - budget.started,
            "end": time.time() - budget.started,
        }
        generation = getattr(job.candidate, "population", 1)
        rows.extend(row | end | {"generation": generation} for row in history)

    with ThreadPoolExecutor(budget.workers) as pool:
        list(pool.map(run, budget.shares))
    frame = pd.DataFrame(rows)
    # Between two trials the last one is reported again.
    trials = frame[(frame["phase"] == "searching") & (frame["trials"] > 0)]
    trials.drop_duplicates(["candidate", "trials"]).to_csv(directory / "trials.csv", index=False)
    shutil.rmtree(directory / "features")


def compare(paths: Sequence[Path]) -> pd.DataFrame:
    """Replay every rule on every recording."""
    recordings = [_read(path) for path in paths]
    rows = []
    for name, rule in _rules().items():
        replays = [_replay(rule, recording) for recording in recordings]
        lost, saved, kept = zip(*replays, strict=True)
        rows.append(
            {
                "rule": name,
                "searches": len(replays),
                "accuracy_lost": round(sum(lost) / len(lost), 5),
                "most_lost": round(max(lost), 5),
                "minutes_saved": round(sum(saved) / len(saved), 2),
                "minutes_left": round(sum(kept) / len(kept), 2),
            }
        )
    return pd.DataFrame(rows)


Recording = list[tuple[pd.DataFrame, "Sequence[FrozenTrial]"]]


def _read(path: Path) -> Recording:
    """Return the history and the study of every candidate, in the order of their start."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.CRITICAL)

    def study(candidate: str) -> Sequence[FrozenTrial]:
        (journal,) = path.parent.glob(f"studies/*/*.{STUDY}-{candidate}.*.log")
        storage = JournalStorage(JournalFileBackend(str(journal)))
        return optuna.load_study(study_name=None, storage=storage).trials

    return [
        (history, [] if history["generation"].iloc[0] > 1 else study(candidate))
        for candidate, history in sorted(
            pd.read_csv(path).groupby("candidate"), key=lambda item: item[1]["begin"].iloc[0]
        )
    ]


def _replay(rule: Rule, recording: Recording) -> tuple[float, float, float]:
    """Return the accuracy lost, the minutes saved and the minutes of search that are left."""
    best, stopped_best, ends, stopped_ends = [], [], [], []
    for history, trials in recording:
        stop = _stop(rule, history, trials)
        best.append(history["best"].iloc[-1])
        stopped_best.append(history["best"].iloc[stop])
        ends.append(history["end"].iloc[0] - history["begin"].iloc[0])
        saved = history["seconds"].iloc[-1] - history["seconds"].iloc[stop]
        stopped_ends.append(ends[-1] - saved)
    whole, left = (max(one[0], sum(one[1:])) / 60 for one in (ends, stopped_ends))
    return max(best) - max(stopped_best), whole - left, left


def _stop(rule: Rule, history: pd.DataFrame, trials: Sequence[FrozenTrial]) -> int:
    """Return the index of the trial that a rule ends a search after."""
    generation = history["generation"].iloc[0]
    for n in range(generation, len(history), generation):
        if rule(history.iloc[:n], trials[:n]):
            return int(n - 1)
    return len(history) - 1


def _rules() -> dict[str, Rule]:
    rules: dict[str, Rule] = {
        f"no better one in {patience} trials": partial(_stagnant, patience)
        for patience in (3, 5, 8, 10, 15)
    }
    for factor in (1, 2):
        name = f"no better one for {factor} x the seconds until the best"
        rules[name] = partial(_plateau, factor)
    return rules | {name: partial(_terminated, one) for name, one in _terminators().items()}


def _stagnant(patience: int, history: pd.DataFrame, _: Sequence[FrozenTrial]) -> bool:
    """Count the trials since the best one; of TPOT, whole generations beside its first."""
    generation = history["generation"].iloc[0]
    if generation > 1:
        patience = (math.ceil(patience / generation) + 1) * generation
    return len(history) - 1 - _best(history) >= patience


def _plateau(factor: float, history: pd.DataFrame, _: Sequence[FrozenTrial]) -> bool:
    """Compare the time since the best trial with the time until it."""
    found = history["seconds"].iloc[_best(history)]
    return bool(history["seconds"].iloc[-1] - found >= factor * found)


def _best(history: pd.DataFrame) -> int:
    """Return the index of the trial that gave the best so far."""
    return int((history["best"] == history["best"].iloc[-1]).to_numpy().argmax())


def _terminators() -> dict[str, BaseTerminator]:
    """Optuna's terminators, with the standard error of the held-out accuracy where they take one.

    They start after ten trials that were fitted on all rows instead of twenty, which no recorded
    study reaches.
    """
    from optuna import terminator as optuna

    # 11,000 images, 95 % of them right.
    error = optuna.StaticErrorEvaluator(math.sqrt(0.95 * 0.05 / 11_000))
    stagnation = optuna.BestValueStagnationEvaluator(max_stagnation_trials=5)
    terminators: dict[str, BaseTerminator] = {
        "Optuna: best value stagnation, 5 complete trials": optuna.Terminator(
            stagnation, optuna.StaticErrorEvaluator(0), min_n_trials=1
        )
    }
    if find_spec("torch"):
        for least in (5, 10):
            regret = optuna.RegretBoundEvaluator(min_n_trials=least)
            terminators[f"Optuna: regret bound, from {least} complete trials"] = optuna.Terminator(
                regret, error, min_n_trials=least
            )
            emmr = optuna.EMMREvaluator(min_n_trials=least)
            terminators[f"Optuna: EMMR, from {least} complete trials"] = optuna.Terminator(
                emmr, optuna.MedianErrorEvaluator(emmr, 0, least), min_n_trials=least
            )
    return terminators


def _terminated(terminator: BaseTerminator, _: pd.DataFrame, trials: Sequence[FrozenTrial]) -> bool:
    import optuna

    complete = [trial for trial in trials if trial.state.name == "COMPLETE"]
    if not complete:
        return False
    study = optuna.create_study(direction="maximize")
    study.add_trials(complete)
    return terminator.should_terminate(study)


if __name__ == "__main__":
    main()
