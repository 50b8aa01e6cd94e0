"""Alternatives on the same machine with the same time: Fashion-MNIST, official split.

python benchmarks/peers.py --setup
python benchmarks/peers.py [--minutes M]
python benchmarks/peers.py --only flaml autogluon-best:features      # single rows
python benchmarks/peers.py --rows 3000 --minutes 0.5      # a rehearsal, stored in files of its own

Every peer is a script in benchmarks/peers, runs in a process and an environment of its own with
all processors, and gets raw pixels; the strongest AutoML among them runs once more on this
project's features, whose computation counts towards its time. A peer never sees the test labels.
The row of this project is the run of frontier.py with the same minutes and seed 20, which must have
been measured before; a rehearsal has none.

Each row is written to benchmarks/results/peers.csv as soon as it is known; peers.png shows the rows
of the same minutes. The output of the peers is in .environments/logs.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from limited_process import Ended, last_error, run_limited
from peer_table import PROJECT, Row, Table, project_row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

SCRIPTS = ROOT / "benchmarks" / "peers"
ENVIRONMENTS = ROOT / "benchmarks" / ".environments"
RESULTS = ROOT / "benchmarks" / "results"
SEED = 20
#: Patch dictionaries of the features that a peer gets: those of the flow's winners.
PATCH_SIZES = ("3+5+7",)


@dataclass(frozen=True)
class Peer:
    """A library to compare with.

    Attributes
    ----------
    environment : str
        NAME of ``peers/run_NAME.py``, ``peers/NAME.txt`` and the virtual environment.
    arguments : tuple of str
        Arguments of the script after directory, start and minutes.
    automl : bool
        True if it accepts columns of any kind.
    """

    environment: str
    arguments: tuple[str, ...] = ()
    automl: bool = True


PEERS = {
    "cnn": Peer("cnn", automl=False),
    "hog-svc": Peer("hog", automl=False),
    "optuna-lightgbm": Peer("lightgbm"),
    "flaml": Peer("flaml"),
    "tpot": Peer("tpot"),
    "autogluon-medium": Peer("autogluon", ("medium_quality",)),
    "autogluon-best": Peer("autogluon", ("best_quality",)),
}
AUTOML = [name for name, peer in PEERS.items() if peer.automl]


@dataclass(frozen=True)
class Data:
    """The official split; the training images may be a sub-sample."""

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray


def main() -> None:
    """Install the environments, or measure the rows asked for."""
    options = _options()
    if options.setup:
        set_up(sorted({peer.environment for peer in PEERS.values()}))
        return
    data = official_split(options.rows)
    rehearsal = f"-{options.rows}-rows" if options.rows else ""
    table = Table(RESULTS / f"peers{rehearsal}.csv")
    for name, columns in options.only or [(name, "pixels") for name in PEERS]:
        if name == PROJECT:
            add_project(table, data, options)
        else:
            table.add(run_peer(name, columns, data, options.minutes))
    if options.only:
        return
    strongest = table.strongest(options.minutes, AUTOML)
    if strongest:
        table.add(run_peer(strongest, "features", data, options.minutes))
    add_project(table, data, options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--setup", action="store_true", help="make the virtual environments")
    parser.add_argument("--minutes", type=float, default=10.0, help="wall time of each (10)")
    parser.add_argument("--rows", type=int, help="training images; default: all 60,000")
    parser.add_argument(
        "--only",
        nargs="+",
        type=_name_and_input,
        metavar="NAME[:features]",
        help=f"single rows, of {', '.join(PEERS)} and {PROJECT}",
    )
    return parser.parse_args()


def _name_and_input(text: str) -> tuple[str, str]:
    name, _, columns = text.partition(":")
    if text == PROJECT or (name in PEERS and not columns):
        return name, "pixels"
    if name in AUTOML and columns == "features":
        return name, columns
    raise argparse.ArgumentTypeError(
        f"expected one of {', '.join(PEERS)}, {PROJECT}, or NAME:features with a name of "
        f"{', '.join(AUTOML)}; "
        f"got {text!r}"
    )


def set_up(environments: Sequence[str]) -> None:
    """Create the virtual environments one after the other."""
    for environment in environments:
        directory = ENVIRONMENTS / environment
        print(f"{environment}: installing", flush=True)
        if not _python_of(environment).exists():
            subprocess.run([sys.executable, "-m", "venv", str(directory)], check=True)
        requirements = str(SCRIPTS / f"{environment}.txt")
        install = [str(_python_of(environment)), "-m", "pip", "install", "--quiet"]
        subprocess.run([*install, "-r", requirements], check=True)


def _python_of(environment: str) -> Path:
    return ENVIRONMENTS / environment / "bin" / "python"


def official_split(rows: int | None) -> Data:
    """Return 60,000 training images, or a stratified sample of them, and 10,000 test images."""
    from fmnist_lib.config.training import DataConfig
    from fmnist_lib.data.dataset import load_dataset

    config = DataConfig(rows=rows, synthetic_fallback=False)
    dataset, _ = load_dataset(config, ROOT, SEED)
    return Data(
        np.concatenate([dataset.train.images, dataset.validation.images]),
        np.concatenate([dataset.train.labels, dataset.validation.labels]),
        dataset.test.images,
        dataset.test.labels,
    )


def raw_pixels(images_train: np.ndarray, images_test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return pixels row by row, uint8."""
    return images_train.reshape(len(images_train), -1), images_test.reshape(len(images_test), -1)


def project_columns(
    images_train: np.ndarray, images_test: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return float32 columns of the project's features, fitted on the training images."""
    from fmnist_lib.features.block import FeatureBlock
    from fmnist_lib.search.recipes.pipelines import shared_extractors

    blocks = [
        FeatureBlock(extractor, random_state=SEED).fit(images_train)
        for extractor in shared_extractors(PATCH_SIZES)
    ]
    train, test = (
        np.hstack([block.transform(images) for block in blocks])
        for images in (images_train, images_test)
    )
    return train, test


def run_peer(name: str, columns: str, data: Data, minutes: float) -> Row:
    """Run one peer in its own process and score its predictions."""
    peer = PEERS[name]
    print(f"{name} on {columns}: {minutes:g} minutes", flush=True)
    log = ENVIRONMENTS / "logs" / f"{name}-{columns}.log"
    script = [str(_python_of(peer.environment)), str(SCRIPTS / f"run_{peer.environment}.py")]
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary)
        start = time.monotonic()
        make_columns = project_columns if columns == "features" else raw_pixels
        X_train, X_test = make_columns(data.train_images, data.test_images)
        np.savez(directory / "task.npz", X_train=X_train, y_train=data.train_labels, X_test=X_test)
        del X_train, X_test
        ended = run_limited(
            [*script, temporary, str(start), str(minutes), *peer.arguments],
            limit(minutes) - (time.monotonic() - start),
            log,
            cwd=directory,
        )
        answer = _answer(directory)
    return Row(
        peer=name,
        input=columns,
        minutes=minutes,
        rows=len(data.train_labels),
        peak_gib=round(ended.peak_gib, 2),
        **scores(answer, data.test_labels),
        note=note(ended, answer, log),
    )


def limit(minutes: float) -> float:
    """Return the seconds after which a peer is killed."""
    return 1.5 * 60 * minutes + 60


def _answer(directory: Path) -> Mapping[str, np.ndarray]:
    path = directory / "answer.npz"
    if not path.exists():
        return {}
    with np.load(path) as arrays:
        return dict(arrays)


def scores(answer: Mapping[str, np.ndarray], test_labels: np.ndarray) -> dict[str, float | str]:
    """Return the columns of the row that depend on the answer; none without an answer."""
    from fmnist_lib.common.statistics import wilson

    if not answer:
        return {}
    accuracy = wilson(int((answer["labels"] == test_labels).sum()), len(test_labels))
    return {
        "fit_seconds": round(float(answer["fit_seconds"]), 1),
        "predict_seconds": round(float(answer["predict_seconds"]), 2),
        "accuracy": accuracy.value,
        "low": round(accuracy.low, 5),
        "high": round(accuracy.high, 5),
        "version": str(answer["version"]),
    }


def note(ended: Ended, answer: Mapping[str, np.ndarray], log: Path) -> str:
    """Return the reason of a failure in one line without paths of this machine, else nothing."""
    if ended.exit_code == 0 and answer:
        return ""
    if ended.exit_code is None:
        reason = f"killed after {ended.seconds:.0f} s"
    else:
        reason = f"exit code {ended.exit_code}: {last_error(log.read_text(errors='replace'))}"
    return f"{reason}; {'scored on the last answer' if answer else 'no predictions'}"


def add_project(table: Table, data: Data, options: argparse.Namespace) -> None:
    """Add the row of this project from the frontier, which is of all images."""
    frontier = RESULTS / "frontier.csv"
    row = None
    if frontier.exists() and not options.rows:
        row = project_row(pd.read_csv(frontier), options.minutes, SEED, len(data.train_labels))
    if row:
        table.add(row)
    else:
        print(f"{PROJECT}: no run of all images, {options.minutes:g} minutes and seed {SEED} in")
        print(f"{frontier}. Measure it with benchmarks/frontier.py.")


if __name__ == "__main__":
    main()
