"""Settings of the search, and its candidates."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from fmnist_lib.config.addresses import dask_scheduler_problem, study_storage_problem
from fmnist_lib.config.base import List, Section, Share

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
    # At 300 rows, larger ones would leave a few rows for the first of three rungs.
    reduction_factor: Annotated[int, Field(ge=2, le=5)] = Field(
        default=4,
        description="Successive halving: growth of the rows from rung to rung; one in so many "
        "trials is promoted.",
    )
    p_threshold: Share = Field(
        default=0.05,
        description="A trial replaces a starting point only if it is better with a smaller "
        "p-value (McNemar's test on the held-out images).",
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
    search_share: Share = Field(
        default=0.6,
        description="Share of the candidate's time for the evolution; the rest is for the fit of "
        "its best pipeline.",
    )


class BaselineCandidate(Candidate):
    """A baseline for the leaderboard; never selected as winner."""

    engine: Literal["baseline"]
    strategy: Literal["majority", "logistic"]


class EnsembleCandidate(Section):
    """Weighted mean of the other candidates' probabilities, selected after their search."""

    id: CandidateId
    engine: Literal["ensemble"]
    votes: Annotated[int, Field(ge=2, le=100)] = 20


AnyCandidate = Annotated[
    OptunaCandidate | TpotCandidate | BaselineCandidate | EnsembleCandidate,
    Field(discriminator="engine"),
]


def is_bounded(candidate: AnyCandidate) -> bool:
    """True if a search is bounded by trials or generations: its result is reproducible."""
    bounds = (getattr(candidate, name, None) for name in ("trials", "generations"))
    return any(bound is not None for bound in bounds)


class SearchConfig(Section):
    """The candidates and the wall-clock budget they share."""

    minutes: Annotated[float, Field(gt=0, le=24 * 60)] = Field(
        default=8.0,
        description="Budget: most wall minutes for features, search and all refits.",
    )
    early_stop: bool = Field(
        default=True,
        description="End a search that finds nothing better any more; false: use all minutes.",
    )
    # On recorded searches of 3 and 10 minutes, 5 ended the winner after 69 of 83 s and 84 of 502 s
    # without a loss on the held-out images; 10 after 82 and 210 s. Stopping when no better trial
    # came for as long as the best one had taken (62 and 55 s), or twice as long (81 and 82 s), was
    # no better.
    max_stagnation_trials: Annotated[int, Field(ge=1)] = Field(
        default=5,
        description="Trials in a row without a better one after which early_stop ends a search; "
        "TPOT counts whole generations.",
    )
    hang_minutes: Annotated[float, Field(gt=0, le=24 * 60)] = Field(
        default=60.0,
        description="A candidate without a deadline, because trials or generations end its search, "
        "is killed if no trial or fit of it has ended for so many minutes: it hangs.",
    )
    refit_share: Share = Field(
        default=0.35,
        description="Part of a candidate's time that the fit of its best pipeline on the training "
        "images may take; it uses fewer images if all of them would take longer.",
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
        description="Enqueue the best trial of the last study of the same data first. Not used "
        "in searches limited by trials.",
    )
    cache: Annotated[str, Field(min_length=1)] = Field(
        default=".cache",
        description="Directory that caches feature columns and studies across runs; relative to "
        "the project. Deleting it only costs time.",
    )
    cache_gib: Annotated[float, Field(gt=0)] = Field(
        default=4.0,
        description="Maximum size of the cache when a run starts, GiB; the least recently used "
        "entries are deleted first, and none that another live run uses.",
    )
    study_storage: str | None = Field(
        default=None,
        description="Storage of Optuna studies that workers on other hosts may join: "
        "postgresql+psycopg2://USER@HOST:PORT/DATABASE, or grpc://HOST:PORT of a proxy to it. "
        "Absent: files in the cache. The password comes from PGPASSWORD or ~/.pgpass.",
    )
    heartbeat_seconds: Annotated[int, Field(ge=1, le=600)] = Field(
        default=5,
        description="In a shared study, a trial whose worker has sent no heartbeat for four times "
        "as long is queued again.",
    )
    dask_scheduler: str | None = Field(
        default=None,
        description="Dask cluster that evaluates TPOT's pipelines, such as tcp://HOST:8786; "
        "absent: the process of the candidate.",
    )
    candidates: Annotated[tuple[AnyCandidate, ...], List, Field(min_length=1)]

    @field_validator("study_storage")
    @classmethod
    def _check_study_storage(cls, address: str | None) -> str | None:
        if address is not None and (problem := study_storage_problem(address)):
            raise ValueError(problem)
        return address

    @field_validator("dask_scheduler")
    @classmethod
    def _check_dask_scheduler(cls, address: str | None) -> str | None:
        if address is not None and (problem := dask_scheduler_problem(address)):
            raise ValueError(problem)
        return address

    @property
    def is_bounded(self) -> bool:
        """True if trials or generations end every search: its result is reproducible."""
        searched = [one for one in self.candidates if one.engine in {"optuna", "tpot"}]
        return all(map(is_bounded, searched))

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
