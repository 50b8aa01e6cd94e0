"""The configuration of a run: strict, frozen models of ``config/*.toml``.

``python -m fmnist_lib.config`` prints the JSON schema, or with a file the resolved settings.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from fmnist_lib.config_messages import describe_problems
from fmnist_lib.config_syntax import named_file, parse_text
from fmnist_lib.errors import ConfigError
from fmnist_lib.paths import path_argument

if TYPE_CHECKING:
    from collections.abc import Sequence

PROJECT_ROOT = Path(__file__).resolve().parents[1]
DEFAULT_CONFIG = PROJECT_ROOT / "config" / "train.toml"

Share = Annotated[float, Field(gt=0, lt=1)]
#: TOML and JSON have lists but no tuples; all other fields are strict about types.
List = Field(strict=False)


class Section(BaseModel):
    """A table of the configuration file."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class AuditConfig(Section):
    """Settings of the data audit."""

    near_duplicate_distance: Annotated[float, Field(ge=0, le=255)] = Field(
        default=8.0,
        description="Two images are near-duplicates if the root-mean-square difference of their "
        "pixels, on the 0-255 scale, is at most this.",
    )
    examples: Annotated[int, Field(ge=0, le=100)] = Field(
        default=8, description="Pairs shown on the card."
    )


class DataConfig(Section):
    """Source and split of the images."""

    directory: str | None = Field(
        default=None,
        description="Directory with the four files; absent: the default sources in order. In every "
        "path here `~` is the home directory; environment variables are not expanded.",
    )
    rows: Annotated[int, Field(ge=500)] | None = Field(
        default=None,
        description="Training images to use, stratified; absent: all. The test set stays whole.",
    )
    validation_share: Share = Field(
        default=1 / 6, description="Share of the training images held out to compare candidates."
    )
    synthetic_fallback: bool = Field(
        default=True,
        description="Use generated images, with a warning, if no default source is available.",
    )
    audit: AuditConfig = AuditConfig()


class EdaConfig(Section):
    """Sample sizes of the exploration."""

    sweetviz_rows: Annotated[int, Field(ge=100)] = 4000
    sweetviz_features: Annotated[int, Field(ge=2, le=23)] = Field(
        default=12,
        description="Most discriminative features for the Sweetviz report; about 0.5 s each.",
    )
    embedding_rows: Annotated[int, Field(ge=100)] = 3000
    images_per_class: Annotated[int, Field(ge=1, le=20)] = 8


CandidateId = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=30)]


class Candidate(Section):
    """Fields common to all candidates that are searched."""

    id: CandidateId
    share: Annotated[float, Field(gt=0)] = Field(
        default=1.0, description="Share of the search time, relative to the other candidates."
    )


ModelFamily = Literal["logistic", "kernel", "boosting", "trees", "neural"]
FeatureSet = Literal["pixels", "gradients", "patches", "pixels+gradients", "patches+gradients"]


class OptunaCandidate(Candidate):
    """A study over preprocessing and the hyper-parameters of one or more model families."""

    engine: Literal["optuna"]
    families: Annotated[tuple[ModelFamily, ...], List, Field(min_length=1)]
    features: Annotated[tuple[FeatureSet, ...], List, Field(min_length=1)] = (
        "patches",
        "gradients",
        "patches+gradients",
    )
    explore: bool = Field(
        default=False,
        description="Try other patch dictionaries and histograms than the precomputed ones.",
    )
    compact: bool = Field(
        default=False,
        description="Only small, fast models: few components, few landmarks of a kernel.",
    )
    rows: Annotated[int, Field(ge=300)] | None = Field(
        default=None,
        description="Training images for a trial that is not pruned; absent: all but the held-out "
        "ones.",
    )
    trials: Annotated[int, Field(ge=1)] | None = Field(
        default=None,
        description="Stop after this many trials; absent: when the time is up. Only a search "
        "stopped by its trials is reproducible.",
    )


class TpotCandidate(Candidate):
    """A genetic search over whole pipelines on reduced features and a sub-sample."""

    engine: Literal["tpot"]
    rows: Annotated[int, Field(ge=300)] = 4000
    components: Annotated[int, Field(ge=4, le=600)] = 200
    population: Annotated[int, Field(ge=2)] = 8
    generations: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Stop after this many generations; absent: when the time is up."
    )


class BaselineCandidate(Candidate):
    """A baseline for the leaderboard; never selected as winner."""

    engine: Literal["baseline"]
    strategy: Literal["majority", "logistic"]


class EnsembleCandidate(Section):
    """A weighted vote of the other candidates, selected after their search."""

    id: CandidateId
    engine: Literal["ensemble"]
    votes: Annotated[int, Field(ge=2, le=100)] = 20


AnyCandidate = Annotated[
    OptunaCandidate | TpotCandidate | BaselineCandidate | EnsembleCandidate,
    Field(discriminator="engine"),
]


class SearchConfig(Section):
    """The candidates and the wall-clock budget they share."""

    minutes: Annotated[float, Field(gt=0, le=24 * 60)] = Field(
        default=8.0, description="Budget: wall minutes for the search and all refits."
    )
    workers: Annotated[int, Field(ge=1, le=64)] | None = Field(
        default=None, description="Candidates searched in parallel; absent: one per core."
    )
    holdout_share: Share = Field(
        default=0.2,
        description="Share of the training images held out to score trials. The search does not "
        "use the validation images.",
    )
    memory_gib: Annotated[float, Field(ge=0.1, le=1024)] | None = Field(
        default=4.0,
        description="Memory limit of a kernel, GiB; above it landmarks are used instead of all "
        "images. Absent: half of the free memory.",
    )
    max_model_mb: Annotated[float, Field(gt=0)] = Field(
        default=150.0, description="A larger model is not selected as winner if there is another."
    )
    max_ms_per_image: Annotated[float, Field(gt=0)] = Field(
        default=6.0,
        description="A slower model (measured on one core, in a batch of 1,000) is not selected as "
        "winner if there is another.",
    )
    warm_start: bool = Field(
        default=True,
        description="Enqueue the best trials of earlier studies of the same data first. Not used "
        "in searches limited by trials.",
    )
    cache: Annotated[str, Field(min_length=1)] = Field(
        default=".cache",
        description="Directory that caches feature columns and studies across runs; relative to "
        "the project. Deleting it only costs time.",
    )
    candidates: Annotated[tuple[AnyCandidate, ...], List, Field(min_length=1)]

    def candidate(self, identifier: str) -> AnyCandidate:
        """Return the candidate with this id."""
        (found,) = (one for one in self.candidates if one.id == identifier)
        return found

    @model_validator(mode="after")
    def _check_candidates(self) -> SearchConfig:
        ids = [candidate.id for candidate in self.candidates]
        repeated = sorted({i for i in ids if ids.count(i) > 1})
        if repeated:
            raise ValueError(f"candidate ids must be unique, got {', '.join(repeated)} twice")
        if all(candidate.engine in {"baseline", "ensemble"} for candidate in self.candidates):
            raise ValueError("at least one candidate must be of the engine 'optuna' or 'tpot'")
        return self


class EvaluationConfig(Section):
    """Intervals and examples of the final report."""

    confidence: Share = 0.95
    bootstrap_samples: Annotated[int, Field(ge=100)] = 1000
    confused_pairs: Annotated[int, Field(ge=1, le=45)] = 5


class ExplainConfig(Section):
    """Number of images that SHAP explains, and its cost."""

    images_per_class: Annotated[int, Field(ge=1)] = 3
    background_rows: Annotated[int, Field(ge=10)] = 100
    evaluations: Annotated[int, Field(ge=100)] = Field(
        default=600,
        description="Model evaluations per image for sampling explainers; exact ones ignore it.",
    )


ShiftName = Literal[
    "noise_small",
    "gaussian_noise",
    "noise_large",
    "salt_and_pepper",
    "rotation",
    "translation",
    "image_small",
    "image_medium",
    "image_large",
    "darker",
    "brighter",
    "low_contrast",
    "inverted",
    "blur",
    "occlusion",
    "adversarial",
    "class_knockout",
    "label_shift",
    "image_medium_knockout",
    "image_medium_one_class",
]


TestMethod = Literal[
    "ks-default",
    "ks-outputs",
    "ks-features",
    "ks-pixels",
    "ks-pca",
    "ks-projection",
    "chi2-classes",
    "domain-classifier",
    "mmd",
]


class VerdictConfig(Section):
    """Thresholds of the verdict, and its false-alarm budgets."""

    false_retrains_a_year: Share = Field(
        default=0.05,
        description="Probability of at least one false `retrain` in a year without any shift.",
    )
    false_watches_a_year: Annotated[float, Field(gt=0, le=365)] = Field(
        default=4.0, description="Expected number of false `watch` in a year without any shift."
    )
    nights_a_year: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=365, description="Batches per year; they share the two false-alarm budgets."
    )
    min_effect: Share = Field(
        default=0.05,
        description="Smallest effect size that justifies retraining: a distance of cumulative "
        "distributions, or a share of the accuracy lost.",
    )
    min_drop: Share = Field(
        default=0.02, description="Smallest accuracy drop worth retraining for: 0.02 = 2 points."
    )
    min_rows: Annotated[int, Field(ge=10)] = Field(
        default=50, description="Smaller batches get the verdict `insufficient_data`."
    )


class DriftConfig(Section):
    """Settings of the drift tests of a batch against the held-out reference."""

    alpha: Share = Field(
        default=0.05, description="Family-wise false-alarm rate over all features of a batch."
    )
    correction: Literal["bonferroni", "benjamini-hochberg"] = "bonferroni"
    batch_rows: Annotated[int, Field(ge=50)] = Field(
        default=1000, description="Images per simulated batch."
    )
    shifts: Annotated[tuple[ShiftName, ...], List, Field(min_length=1)] = (
        "gaussian_noise",
        "rotation",
        "image_medium",
        "darker",
        "blur",
        "class_knockout",
    )
    repeats: Annotated[int, Field(ge=1)] = Field(
        default=20, description="Batches drawn per simulated shift, and without shift."
    )
    shift_rows: Annotated[int, Field(ge=50)] = Field(
        default=4000, description="Current images that each simulated shift is applied to."
    )
    tests: Annotated[tuple[TestMethod, ...], List] = Field(
        default=("ks-outputs", "ks-features", "chi2-classes", "domain-classifier"),
        description="Tests that the monitor reports in addition to ks-default, which decides.",
    )
    components: Annotated[int, Field(ge=2, le=784)] = Field(
        default=32, description="Columns of ks-pca and ks-projection."
    )
    domain_rows: Annotated[int, Field(ge=100)] = Field(
        default=2000, description="Most images per side for the domain classifier."
    )
    mmd_rows: Annotated[int, Field(ge=20, le=5000)] = Field(
        default=500, description="Most images per side for MMD."
    )
    permutations: Annotated[int, Field(ge=99)] = Field(
        default=999, description="Permutations for the p-value of MMD."
    )
    verdict: VerdictConfig = VerdictConfig()


Fraction = Annotated[float, Field(ge=0, le=1)]


class GatesConfig(Section):
    """Requirements on the test images for a model to become champion."""

    min_accuracy: Fraction = 0.85
    min_accuracy_low: Fraction = Field(
        default=0.84, description="Minimum of the lower confidence bound of the accuracy."
    )
    min_class_recall: Fraction = Field(
        default=0.5, description="Minimum recall of the worst class."
    )
    max_calibration_error: Fraction = 0.1
    max_ms_per_image: Annotated[float, Field(gt=0)] = Field(
        default=6.0, description="Measured on one core, in a batch of 1,000."
    )
    max_model_mb: Annotated[float, Field(gt=0)] = Field(
        default=150.0, description="Size of the model file, in 10**6 bytes."
    )
    alpha: Share = Field(
        default=0.05,
        description="A model with fewer correct predictions than the champion on the same images "
        "is rejected if McNemar's p-value is below this.",
    )
    allow_pickle: bool = Field(
        default=False,
        description="Allow a champion whose file can run arbitrary code when it is loaded.",
    )
    clean_git: bool = Field(
        default=False, description="Require a commit without uncommitted changes."
    )


class TrackingConfig(Section):
    """MLflow tracking and registry."""

    uri: str | None = Field(
        default=None,
        description="Tracking server; absent: MLFLOW_TRACKING_URI, else a SQLite file in mlruns/.",
    )
    experiment: Annotated[str, Field(min_length=1, max_length=500)] = "fashion-mnist"
    model_name: Annotated[str, Field(min_length=1, max_length=256)] = "fashion-mnist"
    spool: Annotated[str, Field(min_length=1)] = Field(
        default="mlruns/spool",
        description="Directory for runs spooled while the server is down; relative to the project.",
    )
    max_seconds: Annotated[float, Field(gt=0)] = Field(
        default=600.0,
        description="Timeout for logging a run; then it is spooled for "
        "`python -m fmnist_lib.tracking sync`.",
    )

    @field_validator("experiment", "model_name")
    @classmethod
    def _check_name(cls, name: str) -> str:
        if not name.strip():
            raise ValueError("expected a name, got only blanks")
        return name

    @field_validator("model_name")
    @classmethod
    def _check_model_name(cls, name: str) -> str:
        # MLflow rejects the first three; the others terminate the name in `models:/` URIs and in
        # queries.
        if name in {".", ".."} or set(name) & set("/:@'\""):
            raise ValueError(
                f"expected a name that MLflow can register, without / : @ and quotes, got '{name}'"
            )
        return name

    @model_validator(mode="after")
    def _check_uri(self) -> TrackingConfig:
        # The settings are logged and packed into bundles, so they must not hold a secret.
        if self.uri is not None and "@" in urlsplit(self.uri).netloc:
            raise ValueError(
                "uri must not hold a user name or password, set such an address in "
                "MLFLOW_TRACKING_URI instead"
            )
        return self


class ReleaseConfig(Section):
    """The model file and the bundle that reproduces a run."""

    directory: Annotated[str, Field(min_length=1)] = "bundles"
    max_model_mb: Annotated[float, Field(gt=0)] = Field(
        default=2000.0, description="Maximum size of a model file, in 10**6 bytes."
    )
    max_data_mb: Annotated[float, Field(ge=0)] = Field(
        default=200.0,
        description="Larger data are not included in the bundle, only their fingerprint and DVC "
        "pointers.",
    )
    allow_cloudpickle: bool = Field(
        default=False,
        description="Save a model that skops cannot write with cloudpickle, which can run "
        "arbitrary code when it is loaded. Off: such a run fails in publish.",
    )


class Settings(Section):
    """Settings of a training run."""

    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    data: DataConfig = DataConfig()
    eda: EdaConfig = EdaConfig()
    search: SearchConfig
    evaluation: EvaluationConfig = EvaluationConfig()
    explain: ExplainConfig = ExplainConfig()
    drift: DriftConfig = DriftConfig()
    tracking: TrackingConfig = TrackingConfig()
    gates: GatesConfig = GatesConfig()
    release: ReleaseConfig = ReleaseConfig()


AnySettings = TypeVar("AnySettings", bound=Section)


def parse_settings(text: str, source: str, model: type[AnySettings] = Settings) -> AnySettings:  # type: ignore[assignment]
    """Return settings from TOML, or from JSON such as the ``config.json`` of a bundle.

    Parameters
    ----------
    text : str
        Contents of the file.
    source : str
        Name of the file, for messages.
    model : type, default=Settings
        Model of the file.

    Raises
    ------
    ConfigError
        The text is neither, or a key is unknown, missing, of the wrong type or out of range.
        One message names the file, every such key, what was expected and what was found.
    """
    return validate_settings(parse_text(text, source), source, model)


def source_of(text: str, arguments: Sequence[str], default: Path = DEFAULT_CONFIG) -> str:
    """Return the name of the file that a configuration text was read from, for messages.

    Parameters
    ----------
    text : str
        Contents of the file.
    arguments : sequence of str
        Command line arguments; the file is one of them, or else the default file.
    default : Path
    """
    return named_file(text, [*arguments, str(default)]) or "configuration"


def validate_settings(
    content: dict[str, Any],
    source: str,
    model: type[AnySettings] = Settings,  # type: ignore[assignment]
) -> AnySettings:
    """Check parsed settings; see `parse_settings`."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        lines = [f"{source}: {problem}" for problem in describe_problems(error, content)]
        raise ConfigError("\n".join(lines)) from None


def read_settings(path: Path, model: type[AnySettings] = Settings) -> AnySettings:  # type: ignore[assignment]
    """Read settings from a TOML or JSON file; see `parse_settings`."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: expected a readable TOML or JSON file, got: {error}.") from None
    return parse_settings(text, str(path), model)


def override(settings: Settings, **changes: Any) -> Settings:
    """Return settings with command line parameters applied; None leaves a value unchanged.

    Parameters
    ----------
    settings : Settings
    **changes
        ``seed``, ``minutes``, ``rows`` and ``data_dir``.

    Raises
    ------
    ConfigError
        A value is out of its range; the message names the parameter.
    """
    places = {
        "seed": ("seed",),
        "minutes": ("search", "minutes"),
        "rows": ("data", "rows"),
        "data_dir": ("data", "directory"),
    }
    content = settings.model_dump(mode="json")
    for parameter, value in changes.items():
        if value is None:
            continue
        *tables, key = places[parameter]
        table = content
        for name in tables:
            table = table[name]
        table[key] = value
    return validate_settings(content, "command line parameters")


def main(
    arguments: list[str] | None = None,
    model: type[Section] = Settings,
    default: Path = DEFAULT_CONFIG,
) -> int:
    """Print the JSON schema, or the resolved settings of a file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "file", nargs="?", type=path_argument, help="print the resolved settings of FILE"
    )
    options = parser.parse_args(arguments)
    try:
        output = read_settings(options.file or default, model).model_dump(mode="json")
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if options.file is None:
        output = {"schema": model.model_json_schema(), "resolved": output}
    sys.stdout.write(json.dumps(output, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
