"""One-page summary of a run: test accuracy, its interval, and how to reproduce it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fmnist_lib.common.formatting import interval, percent, sentence, shorten
from fmnist_lib.common.labels import CLASS_NAMES
from fmnist_lib.release.charts import (
    candidate_chart,
    contribution_chart,
    detection_chart,
    error_chart,
)
from fmnist_lib.release.findings import (
    CHOICES,
    contribution_finding,
    drift_finding,
    error_finding,
    result_finding,
    trust_finding,
    winner_finding,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fmnist_lib.common.run_report import RunReport

MAX_MISTAKES = 5
_NUMBERS = ("accuracy", "interval", "fit", "size")
#: Identifiers that take a whole line on the page; the others share one.
WIDE = ("Data fingerprint", "MLflow", "Bundle", "Bundle SHA-256", "Git commit")
TEMPLATES = Path(__file__).parent


@dataclass(frozen=True, eq=False)
class Summary:
    """A report as text, for the summary, its card and the documents."""

    report: RunReport

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """Leaderboard rows as they are printed: text only, nothing for a missing number."""
        return [_row(row) for row in self.report.leaderboard.to_dict("records")]

    @property
    def winner(self) -> dict[str, Any]:
        """The winner's row."""
        return next(row for row in self.rows if row["status"] == "winner")

    @property
    def n_searches(self) -> int:
        """Number of candidates that were searched; an ensemble is made of their results."""
        return int((self.report.leaderboard["engine"] != "ensemble").sum())

    @property
    def headline(self) -> str:
        """Accuracy on the test images."""
        return percent(self.report.evaluation.accuracy.value, 2)

    @property
    def interval(self) -> str:
        """The accuracy's interval."""
        return interval(self.report.evaluation.accuracy)

    @property
    def n_images(self) -> str:
        """Number of images the accuracy was measured on."""
        return f"{self.report.evaluation.n_images:,} test images"

    @property
    def warning(self) -> str | None:
        """Warning to show before the accuracy; None for the official data."""
        version = self.report.data_version
        origin, data = version.origin, version.description
        if version.is_official:
            return None
        consequence = {
            "official": "The test labels are as published.",
            "custom": "The accuracy cannot be compared with published ones.",
            "synthetic": "The accuracy says nothing about Fashion-MNIST.",
        }
        return f"{sentence(data)} {consequence[origin]}"

    @property
    def mistakes(self) -> list[tuple[str, str, str]]:
        """Actual class, predicted class, and share of the actual class."""
        return [
            (CLASS_NAMES[pair.actual], CLASS_NAMES[pair.predicted], percent(pair.share))
            for pair in self.report.evaluation.confused_pairs[:MAX_MISTAKES]
        ]

    @property
    def drift_sentence(self) -> str:
        """The drift verdict with a capital letter and a full stop."""
        return sentence(self.report.drift_verdict)

    @property
    def created(self) -> str:
        """Date and time; empty in the bundle, which is the same whenever it is written."""
        if self.report.publication.bundle is None:
            return ""
        return f"{datetime.fromtimestamp(self.report.created / 1000, UTC):%Y-%m-%d %H:%M} UTC"

    @property
    def identity(self) -> list[tuple[str, str]]:
        """Identifiers of the run, its data, its model and its bundle."""
        run, publication = self.report.identity, self.report.publication
        facts = [
            ("Metaflow run", run.key),
            ("Run by", f"{run.user}, {self.created}" if self.created else run.user),
            ("Data", self.report.data_version.description),
            ("Data fingerprint", self.report.data_version.fingerprint),
        ]
        if tracked := publication.tracked:
            version = f"{tracked.model_name} {tracked.model_version}, alias {tracked.alias}"
            facts += [("Model version", version), ("MLflow run", tracked.run_id)]
        else:
            facts.append(("MLflow", f"not logged: {publication.problem}"))
        if bundle := publication.bundle:
            facts.append(("Bundle", f"{bundle.path.name}, {bundle.size_bytes / 1e6:.0f} MB"))
            facts.append(("Bundle SHA-256", bundle.sha256))
        if run.git_commit:
            facts.append(("Git commit", run.git_commit))
        return facts

    @property
    def commands(self) -> list[tuple[str, str]]:
        """Commands and their effects."""
        publication = self.report.publication
        commands = []
        if publication.bundle:
            directory = self.report.settings["release"]["directory"]
            packed = shlex.quote(f"{directory}/{publication.bundle.path.name}")
            unpack = f"python -m fmnist_lib bundle unpack {packed} reproduce"
            commands.append((unpack, "Unpack the bundle"))
            commands.append(("python reproduce/reproduce.py", "Check the files, predict again"))
        else:
            commands.append(("python reproduce.py", "Check the files, predict again"))
        search = "python source/flows/train.py --config config config.json run"
        commands.append((search, "Search again, in the unpacked bundle"))
        if publication.tracked:
            address = shlex.quote(_short(publication.tracked.tracking_uri))
            commands.append((f"mlflow ui --backend-store-uri {address}", "Compare with other runs"))
        return commands


def render_summary(report: RunReport) -> str:
    """Render a run as one self-contained HTML page that prints on one sheet of A4.

    Parameters
    ----------
    report : RunReport

    Returns
    -------
    str
        HTML with its own CSS and figures; every value from the run is escaped.
    """
    return render(
        "summary.html",
        report=report,
        summary=Summary(report),
        wide=WIDE,
        result=result_finding(report),
        winner=winner_finding(report),
        choices=CHOICES,
        contribution=contribution_finding(report),
        error=error_finding(report),
        trust=trust_finding(report),
        drift=drift_finding(report),
        candidates=candidate_chart(report),
        parts=contribution_chart(report),
        errors=error_chart(report),
        shifts=detection_chart(report),
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
    environment.filters["shorten"] = shorten
    return environment.get_template(template).render(**values)


def _row(row: Mapping[str, Any]) -> dict[str, str]:
    """Return one candidate as text; a failed one has a reason and no numbers."""
    status, _, reason = str(row["status"]).partition(": ")
    texts = {"candidate": str(row["candidate"]), "status": status}
    if status == "failed":
        return dict.fromkeys(_NUMBERS, "") | texts | {"description": reason}
    low, high = row["accuracy_low"], row["accuracy_high"]
    return texts | {
        "accuracy": percent(row["validation_accuracy"], 2),
        "interval": f"{100 * low:.2f} to {percent(high, 2)}",
        "fit": f"{row['fit_seconds']:.0f} s",
        "size": f"{row['model_mb']:.1f} MB",
        "description": str(row["description"]),
    }


def _short(uri: str) -> str:
    """Name the project's own SQLite file as seen from the checkout."""
    own = "mlruns/mlflow.db"
    return f"sqlite:///{own}" if uri.startswith("sqlite") and uri.endswith(f"/{own}") else uri
