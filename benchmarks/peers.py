"""What else one could pick, on the same machine with the same time: Fashion-MNIST, official split.

python benchmarks/peers.py --setup
python benchmarks/peers.py [--minutes M] [--no-project]
python benchmarks/peers.py --only flaml autogluon-best:features      # single rows
python benchmarks/peers.py --rows 3000 --minutes 0.5      # a rehearsal, kept in files of its own

Every peer is a script in benchmarks/peers, runs in a process and an environment of its own with
all processors, and gets raw pixels; the strongest AutoML among them runs once more on this
project's features, whose computation its time pays for. A peer never sees the test labels. The row
of this project is a run of flows/train.py with an empty cache: what earlier runs left would be
time it does not pay for. Its "fit_seconds" are the steps prepare, search and select.

Each row goes to benchmarks/results/peers.csv as soon as it is known, beside those already there;
peers.png shows the rows of the same minutes. What the peers print is in .environments/logs.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import psutil

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

SCRIPTS = ROOT / "benchmarks" / "peers"
ENVIRONMENTS = ROOT / "benchmarks" / ".environments"
RESULTS = ROOT / "benchmarks" / "results"
SEED = 20
PROJECT = "fmnist-flow"
#: Patch dictionaries of the columns that a peer gets: those the flow's champions use.
PATCH_SIZES = ("3+5+7",)
#: Steps of the flow that `--minutes` pays for.
BUDGETED_STEPS = ("prepare", "search", "select")
#: Given to the flow beyond the limit of the peers: it also explores, explains and reports.
FIXED_SECONDS = 180
SAMPLING_SECONDS = 0.5
KEY = ["peer", "input", "minutes"]
#: How far a library threads is its own choice, not that of the shell this was started from.
NOT_INHERITED = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "PYTHONPATH",
    "VIRTUAL_ENV",
)


@dataclass(frozen=True)
class Peer:
    """A library to compare with.

    Attributes
    ----------
    environment : str
        Of ``peers/run_NAME.py``, ``peers/NAME.txt`` and the virtual environment.
    arguments : tuple of str
        Of the script, after directory and minutes.
    automl : bool
        Whether it takes columns of any kind.
    """

    environment: str
    arguments: tuple[str, ...] = ()
    automl: bool = True


PEERS = {
    "hog-svc": Peer("hog", automl=False),
    "optuna-lightgbm": Peer("lightgbm"),
    "flaml": Peer("flaml"),
    "tpot": Peer("tpot"),
    "autogluon-medium": Peer("autogluon", ("medium_quality",)),
    "autogluon-best": Peer("autogluon", ("best_quality",)),
}


@dataclass(frozen=True)
class Data:
    """The official split; the training images may be a sub-sample."""

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes
    ----------
    fit_seconds : float or None
        Wall time from the start to the fitted model: features (also those of the test images),
        imports and search.
    accuracy, low, high : float or None
        On the test images, with the 95 % Wilson interval.
    peak_gib : float or None
        Largest memory of the process and all it started, sampled twice a second; shared pages
        count once where the system tells. Features are computed outside of it.
    """

    peer: str
    input: str
    minutes: float
    rows: int
    fit_seconds: float | None = None
    predict_seconds: float | None = None
    accuracy: float | None = None
    low: float | None = None
    high: float | None = None
    peak_gib: float | None = None
    version: str = ""
    note: str = ""


@dataclass(frozen=True)
class Ended:
    """How a process ended; `exit_code` is None when it was killed at the limit."""

    exit_code: int | None
    seconds: float
    peak_gib: float


def main() -> None:
    """Set the environments up, or run what was asked for."""
    options = _options()
    if options.setup:
        set_up(sorted({peer.environment for peer in PEERS.values()}))
        return
    # Metaflow keeps its runs beside the working directory.
    os.chdir(ROOT)
    data = official_split(options.rows)
    rehearsal = f"-{options.rows}-rows" if options.rows else ""
    table = Table(RESULTS / f"peers{rehearsal}.csv")
    for name, columns in options.only or [(name, "pixels") for name in PEERS]:
        if name == PROJECT:
            table.add(run_project(data, options.minutes, options.rows))
        else:
            table.add(run_peer(name, columns, data, options.minutes))
    if options.only:
        return
    strongest = table.strongest(options.minutes)
    if strongest:
        table.add(run_peer(strongest, "features", data, options.minutes))
    if options.project:
        table.add(run_project(data, options.minutes, options.rows))


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
    parser.add_argument(
        "--project",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="run this project's flow as well, where --only does not name the rows",
    )
    return parser.parse_args()


def _name_and_input(text: str) -> tuple[str, str]:
    name, _, columns = text.partition(":")
    if text == PROJECT or (name in PEERS and not columns):
        return name, "pixels"
    if name in PEERS and PEERS[name].automl and columns == "features":
        return name, columns
    automl = ", ".join(known for known, peer in PEERS.items() if peer.automl)
    raise argparse.ArgumentTypeError(
        f"expected one of {', '.join(PEERS)}, {PROJECT}, or NAME:features with a name of {automl}; "
        f"got {text!r}"
    )


def set_up(environments: Sequence[str]) -> None:
    """Make the virtual environments, one after the other."""
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
    """60,000 training images, or a stratified sub-sample of them, and 10,000 test images."""
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
    """Pixels row by row, uint8."""
    return images_train.reshape(len(images_train), -1), images_test.reshape(len(images_test), -1)


def project_columns(
    images_train: np.ndarray, images_test: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Float32 columns of the project's features, learnt from the training images."""
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
    """Run one peer in its own process and score what it predicts."""
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
    """Seconds after which a peer is killed."""
    return 1.5 * 60 * minutes + 60


def run_limited(command: Sequence[str], seconds: float, log: Path, cwd: Path) -> Ended:
    """Run a command, watch its memory, and leave nothing of it behind.

    Parameters
    ----------
    command : sequence of str
    seconds : float
        Wall time after which the process and all it started are killed.
    log : Path
        Gets what it prints.
    cwd : Path
    """
    environment = {name: text for name, text in os.environ.items() if name not in NOT_INHERITED}
    log.parent.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    peak = 0
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    family = {psutil.Process(process.pid)}
    try:
        while process.poll() is None and time.monotonic() - start < seconds:
            with suppress(subprocess.TimeoutExpired):
                process.wait(SAMPLING_SECONDS)
            family |= _descendants(family)
            peak = max(peak, sum(_memory(member) for member in family))
        exit_code = process.poll()
        elapsed = time.monotonic() - start
    finally:
        _kill(process, family)
    return Ended(exit_code, elapsed, peak / 2**30)


def _descendants(family: set[psutil.Process]) -> set[psutil.Process]:
    """Also those of a member whose parent has ended, such as the servers Ray starts."""
    found = set()
    for member in family:
        with suppress(psutil.Error):
            found |= set(member.children(recursive=True))
    return found


def _memory(process: psutil.Process) -> int:
    with suppress(psutil.Error):
        memory = process.memory_full_info()
        return getattr(memory, "pss", memory.rss)
    return 0


def _kill(process: subprocess.Popen, family: set[psutil.Process]) -> None:
    family |= _descendants(family)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    for member in family:
        with suppress(psutil.Error):
            member.kill()
    process.wait()


def _answer(directory: Path) -> Mapping[str, np.ndarray]:
    path = directory / "answer.npz"
    if not path.exists():
        return {}
    with np.load(path) as arrays:
        return dict(arrays)


def scores(answer: Mapping[str, np.ndarray], test_labels: np.ndarray) -> dict[str, float | str]:
    """Columns of the row that the answer decides; none without an answer."""
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
    """What went wrong, if anything did, in one line without paths of this machine."""
    if ended.exit_code == 0 and answer:
        return ""
    if ended.exit_code is None:
        reason = f"killed after {ended.seconds:.0f} s"
    else:
        reason = f"exit code {ended.exit_code}: {_complaint(log.read_text(errors='replace'))}"
    return f"{reason}; {'scored on the last answer' if answer else 'no predictions'}"


def _complaint(text: str) -> str:
    """The last error in what a process printed, or the last line when there is none."""
    # Progress bars rewrite their line, and some go on after the traceback.
    lines = [line.strip() for line in re.split(r"[\r\n]", text) if line.strip()]
    errors = [line for line in lines if re.match(r"[\w.]*(Error|Exception)\b", line)]
    last = (errors or lines or [""])[-1]
    return last.replace(str(ROOT), "").replace(tempfile.gettempdir(), "")[:160]


def run_project(data: Data, minutes: float, rows: int | None) -> Row:
    """Run the flow and read its accuracy with Metaflow's Client API."""
    print(f"{PROJECT}: {minutes:g} minutes", flush=True)
    log = ENVIRONMENTS / "logs" / f"{PROJECT}.log"
    chosen = ["--minutes", str(minutes), *(["--rows", str(rows)] if rows else [])]
    with tempfile.TemporaryDirectory() as directory:
        run_id, config = Path(directory) / "run_id", Path(directory) / "config.toml"
        text = (ROOT / "config" / "train.toml").read_text()
        config.write_text(with_cache(text, Path(directory) / "cache"))
        flow = [sys.executable, str(ROOT / "flows" / "train.py"), "--config", "config", str(config)]
        ended = run_limited(
            [*flow, "run", *chosen, "--run-id-file", str(run_id)],
            limit(minutes) + FIXED_SECONDS,
            log,
            cwd=ROOT,
        )
        answer = _champion(run_id.read_text(), data) if ended.exit_code == 0 else {}
    wall = f"; the whole run took {ended.seconds:.0f} s" if answer else ""
    return Row(
        peer=PROJECT,
        input="images",
        minutes=minutes,
        rows=len(data.train_labels),
        peak_gib=round(ended.peak_gib, 2),
        **scores(answer, data.test_labels),
        note=(note(ended, answer, log) + wall).removeprefix("; "),
    )


def with_cache(config: str, directory: Path) -> str:
    """Return the text of a configuration with another directory for the cache.

    Parameters
    ----------
    config : str
        TOML with a table ``[search]``.
    directory : Path
    """
    without = re.sub(r"^cache *=.*\n", "", config, flags=re.MULTILINE)
    return without.replace("[search]\n", f"[search]\ncache = {json.dumps(str(directory))}\n", 1)


def _champion(run_id: str, data: Data) -> dict[str, np.ndarray]:
    from metaflow import Run, namespace

    from fmnist_lib.registry.run_environment import git_commit

    namespace(None)
    run = Run(f"FashionMnistTrain/{run_id}")
    tasks = [task for name in BUDGETED_STEPS for task in run[name]]
    first = min(task.created_at for task in tasks)
    fitted = max(task.finished_at for task in tasks)
    champion = run["select"].task.data.champion
    start = time.monotonic()
    labels = champion.predict(data.test_images)
    return {
        "labels": labels,
        "fit_seconds": np.array((fitted - first).total_seconds()),
        "predict_seconds": np.array(time.monotonic() - start),
        "version": np.array(f"commit {git_commit(ROOT) or 'unknown'}"),
    }


class Table:
    """The rows so far, in a file that is whole after every row.

    Parameters
    ----------
    path : Path
        The CSV; the chart lies beside it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.frame = (
            pd.read_csv(path) if path.exists() else pd.DataFrame(columns=list(Row.__annotations__))
        )

    def add(self, row: Row) -> None:
        """Put a row in the place of an older one of the same peer, input and minutes."""
        new = pd.DataFrame([asdict(row)])
        both = new if self.frame.empty else pd.concat([self.frame, new], ignore_index=True)
        self.frame = both.drop_duplicates(KEY, keep="last", ignore_index=True)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.frame.to_csv(self.path, index=False)
        shown = self.frame[self.frame["minutes"] == row.minutes]
        self.path.with_suffix(".png").write_bytes(bar_chart(shown))
        print(new.T.to_string(header=False), end="\n\n", flush=True)

    def strongest(self, minutes: float) -> str | None:
        """Name of the AutoML peer that was most accurate on pixels."""
        frame = self.frame
        automl = frame["peer"].map(lambda name: name in PEERS and PEERS[name].automl)
        rows = frame[automl & (frame["minutes"] == minutes) & (frame["input"] == "pixels")]
        rows = rows.dropna(subset=["accuracy"])
        return None if rows.empty else str(rows.loc[rows["accuracy"].idxmax(), "peer"])


def bar_chart(frame: pd.DataFrame) -> bytes:
    """Test error of every row, the smallest on top, with the Wilson interval; as a PNG file.

    Errors, because bars must start at zero and accuracies near 0.9 would all look the same.
    """
    from fmnist_lib.common.plotting import PRIMARY, SECONDARY, new_figure, picture

    frame = frame.sort_values("accuracy", na_position="first", ignore_index=True)
    figure = new_figure(8, 1.2 + 0.45 * len(frame))
    axes = figure.subplots()
    error = 100 * (1 - frame["accuracy"].astype(float))
    reach = 100 * np.abs(
        frame[["high", "low"]].astype(float).T.to_numpy()
        - frame["accuracy"].astype(float).to_numpy()
    )
    colours = [PRIMARY if peer == PROJECT else SECONDARY for peer in frame["peer"]]
    axes.barh(frame.index, error.fillna(0), xerr=np.nan_to_num(reach), color=colours, capsize=3)
    for position, row in frame.iterrows():
        known = pd.notna(row["accuracy"])
        text = f"{100 * row['accuracy']:.2f} % right" if known else "no predictions"
        place = 100 * (1 - row["low"]) if known else 0
        axes.annotate(text, (place, position), (5, 0), textcoords="offset points", va="center")
    axes.set_yticks(frame.index, frame["peer"] + " (" + frame["input"] + ")")
    axes.set_xlim(right=1.35 * max(np.nan_to_num(error.max()), 1))
    axes.set_xlabel("Test images classified wrongly, in %")
    title = (
        f"The same {frame['minutes'].iloc[0]:g} minutes, {frame['rows'].max():,} training images"
    )
    axes.set_title(title)
    axes.spines[["top", "right"]].set_visible(False)
    return picture(figure, "peers", title, "").png


if __name__ == "__main__":
    main()
