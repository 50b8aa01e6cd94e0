"""One-page summary of a run: test accuracy, its interval, and how to reproduce it."""

from __future__ import annotations

import base64
import math
import shlex
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from fmnist_lib.common.labels import CLASS_NAMES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from fmnist_lib.common.plotting import Picture
    from fmnist_lib.data.version import DataVersion
    from fmnist_lib.release.bundle import BundleInfo

#: Rows that fit on the page; the rest is in ``leaderboard.csv`` and on the cards.
MAX_ROWS, MAX_MISTAKES = 7, 5
TEMPLATES = Path(__file__).parent


class ConfusedPair(Protocol):
    """Interface of `evaluation.ConfusedPair`: one class predicted as another."""

    @property
    def actual(self) -> int:
        """Label."""

    @property
    def predicted(self) -> int:
        """Label."""

    @property
    def count(self) -> int:
        """Images of the class ``actual`` predicted as ``predicted``."""

    @property
    def share(self) -> float:
        """Of all images of the class ``actual``."""


class Tracked(Protocol):
    """Interface of `tracking.TrackedRun`: location of a run in MLflow."""

    @property
    def run_id(self) -> str:
        """MLflow run."""

    @property
    def model_name(self) -> str:
        """Registered model."""

    @property
    def model_version(self) -> str:
        """Version of it."""

    @property
    def alias(self) -> str:
        """Alias that points to the version."""

    @property
    def tracking_uri(self) -> str:
        """Address of the store, without credentials."""


@dataclass(frozen=True, eq=False)
class RunSummary:
    """Content of the one-page summary and the summary card.

    Attributes
    ----------
    flow, run_id, user : str
        The Metaflow run.
    created : str
        Date and time, as printed.
    seed : int
    data_version : DataVersion
    leaderboard : DataFrame
        Best first, one row "winner".
    metrics : mapping of str to float
        On the test images: ``accuracy``, ``accuracy_low``, ``accuracy_high``, ``macro_f1``,
        ``log_loss``, ``n_images``.
    confidence : float
        Of the interval.
    confused_pairs : sequence of ConfusedPair
        Most frequent first.
    confusion : Picture or None
    drift_verdict : str
        One sentence.
    tracked : Tracked or None
    tracking_problem : str or None
        Why the run is not in MLflow.
    bundle : BundleInfo or None
    git_commit : str or None
    """

    flow: str
    run_id: str
    user: str
    created: str
    seed: int
    data_version: DataVersion
    leaderboard: pd.DataFrame
    metrics: Mapping[str, float]
    confidence: float
    confused_pairs: Sequence[ConfusedPair]
    confusion: Picture | None
    drift_verdict: str
    tracked: Tracked | None = None
    tracking_problem: str | None = None
    bundle: BundleInfo | None = None
    git_commit: str | None = None

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """Leaderboard rows as they are printed: text only, nothing for a missing number."""
        return [_row(row) for row in self.leaderboard.to_dict("records")]

    @property
    def champion(self) -> dict[str, Any]:
        """The winner's row."""
        return next(row for row in self.rows if row["status"] == "winner")

    @property
    def headline(self) -> str:
        """Accuracy on the test images."""
        return percent(self.metrics["accuracy"], 2)

    @property
    def interval(self) -> str:
        """The accuracy's interval."""
        low, high = self.metrics["accuracy_low"], self.metrics["accuracy_high"]
        return f"{100 * self.confidence:.0f} % interval {100 * low:.2f} to {percent(high, 2)}"

    @property
    def n_images(self) -> str:
        """Number of images the accuracy was measured on."""
        return f"{self.metrics['n_images']:,.0f} test images"

    @property
    def warning(self) -> str | None:
        """Warning to show before the accuracy; None for the official data."""
        origin, data = self.data_version.origin, self.data_version.description
        if origin == "official":
            return None
        consequence = {
            "custom": "The accuracy cannot be compared with published ones.",
            "synthetic": "The accuracy says nothing about Fashion-MNIST.",
        }
        return f"{data[0].upper()}{data[1:]}. {consequence[origin]}"

    @property
    def mistakes(self) -> list[tuple[str, str, str]]:
        """Actual class, predicted class, and share of the actual class."""
        return [
            (CLASS_NAMES[pair.actual], CLASS_NAMES[pair.predicted], percent(pair.share))
            for pair in self.confused_pairs[:MAX_MISTAKES]
        ]

    @property
    def drift_sentence(self) -> str:
        """The drift verdict with a capital letter and a full stop."""
        return f"{self.drift_verdict[:1].upper()}{self.drift_verdict[1:].rstrip('.')}."

    @property
    def identity(self) -> list[tuple[str, str]]:
        """Identifiers of the run, its data, its model and its bundle."""
        facts = [
            ("Metaflow run", f"{self.flow}/{self.run_id}"),
            ("Data", f"{self.data_version.description}"),
            ("Data fingerprint", self.data_version.fingerprint),
        ]
        if self.tracked is not None:
            name, version = self.tracked.model_name, self.tracked.model_version
            facts.append(("Model version", f"{name} {version}, alias {self.tracked.alias}"))
            facts.append(("MLflow run", self.tracked.run_id))
        else:
            facts.append(("MLflow", f"not logged: {self.tracking_problem or 'not requested'}"))
        if self.bundle is not None:
            size = f"{self.bundle.size_bytes / 1e6:.0f} MB"
            facts.append(("Bundle", f"{self.bundle.path.name}, {size}"))
            facts.append(("Bundle SHA-256", self.bundle.sha256))
        if self.git_commit:
            facts.append(("Git commit", self.git_commit))
        return facts

    @property
    def commands(self) -> list[tuple[str, str]]:
        """Commands and their effects."""
        commands = []
        if self.bundle is not None:
            path = self.bundle.path
            packed = shlex.quote(f"{path.parent.name}/{path.name}")
            unpack = f"python -m fmnist_lib bundle unpack {packed} reproduce"
            commands.append((unpack, "Unpack the bundle"))
            commands.append(
                (
                    "python reproduce/reproduce.py",
                    "Check the files, predict again",
                )
            )
        commands.append(
            (
                f"python flows/train.py run --seed {self.seed}",
                "Search again (config.json in the bundle)",
            )
        )
        if self.tracked is not None:
            ui = f"mlflow ui --backend-store-uri {shlex.quote(_short(self.tracked.tracking_uri))}"
            commands.append((ui, "Compare with other runs"))
        return commands


def render_summary(summary: RunSummary) -> str:
    """Render a run as one self-contained HTML page that prints on one sheet of A4.

    Parameters
    ----------
    summary : RunSummary

    Returns
    -------
    str
        HTML with its own CSS and pictures; every value from the run is escaped.
    """
    picture = summary.confusion
    return render(
        "summary.html",
        run=summary,
        rows=summary.rows[:MAX_ROWS],
        n_more=max(0, len(summary.rows) - MAX_ROWS),
        confusion=base64.b64encode(picture.png).decode() if picture else None,
    )


def render(template: str, **values: Any) -> str:
    """Render a template of this folder; every value is escaped, a missing one is an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**values)


def percent(share: float, digits: int = 1) -> str:
    """Format a share in [0, 1] as a percentage."""
    return f"{100 * share:.{digits}f} %"


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    """One candidate as text."""
    status, _, reason = str(row["status"]).partition(":")
    return {
        "candidate": str(row["candidate"]),
        "status": status,
        "accuracy": _number(row["validation_accuracy"], "{:.2%}"),
        "interval": _interval(row["accuracy_low"], row["accuracy_high"]),
        "log_loss": _number(row["validation_log_loss"], "{:.3f}"),
        "fit": _number(row["fit_seconds"], "{:.0f} s"),
        "predict": _number(row["predict_ms_per_image"], "{:.2f} ms"),
        "size": _number(row["model_mb"], "{:.1f} MB"),
        "description": reason.strip() if status == "failed" else str(row["description"]),
    }


def _number(value: Any, form: str) -> str:
    """Format a number; nothing for one that is missing, as a failed candidate's are."""
    if value is None or not math.isfinite(value):
        return ""
    return form.format(value).replace("%", " %")


def _interval(low: Any, high: Any) -> str:
    low, high = _number(low, "{:.2%}"), _number(high, "{:.2%}")
    return f"{low.removesuffix(' %')} to {high}" if low and high else ""


def _short(uri: str) -> str:
    """Name the project's own SQLite file as seen from the checkout."""
    own = "mlruns/mlflow.db"
    return f"sqlite:///{own}" if uri.startswith("sqlite") and uri.endswith(f"/{own}") else uri
