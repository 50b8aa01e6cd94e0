"""Everything a candidate's process needs to know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fmnist_lib.config.search import OptunaCandidate
from fmnist_lib.search.execution.race import Race
from fmnist_lib.search.recipes.column_cache import ColumnStore

if TYPE_CHECKING:
    from pathlib import Path

    from fmnist_lib.config.search import AnyCandidate
    from fmnist_lib.config.training import Settings
    from fmnist_lib.search.execution.budget import Budget
    from fmnist_lib.search.recipes.search_data import SearchData

#: Other extractors than the shared ones cost more than a shorter search has.
_EXPLORING_MINUTES = 15.0
#: Feature columns kept from run to run.
CACHE_GIBIBYTES = 4.0


@dataclass(frozen=True)
class Job:
    """One candidate, the images it may see and the time it may take.

    Attributes
    ----------
    candidate : AnyCandidate
    data : SearchData
    seconds : float
        Wall time of search and refit together.
    seed : int
    cache : path
        Where feature columns and studies are kept; shared by all candidates.
    patch_sizes : tuple of str
        Patch dictionaries to choose from, such as "5" and "3+5".
    memory_gib : float
        Bound of a kernel's storage.
    max_model_mb : float
        Size beyond which a model could not become champion.
    champion_threads : int
        Threads of the champion's refit.
    race : Race or None
        Against the other candidates of a run; None: this one runs for itself.
    warm_start : bool
        Try first what was best in earlier studies of the same data.
    confidence : float
        Of the interval around the validation accuracy.
    """

    candidate: AnyCandidate
    data: SearchData
    seconds: float
    seed: int
    cache: Path
    patch_sizes: tuple[str, ...] = ("5",)
    memory_gib: float = 4.0
    max_model_mb: float = float("inf")
    champion_threads: int = 1
    race: Race | None = None
    warm_start: bool = False
    confidence: float = 0.95

    def store(self) -> ColumnStore:
        """Open the store of feature columns."""
        return ColumnStore(self.cache / "features", self.data, self.seed)

    @property
    def is_bounded_by_trials(self) -> bool:
        """Whether it takes as long as it takes, and gives the same result every time."""
        bounds = (getattr(self.candidate, name, None) for name in ("trials", "generations"))
        return any(bound is not None for bound in bounds)


def make_job(  # noqa: PLR0917 (what a run knows)
    settings: Settings,
    candidate_id: str,
    data: SearchData,
    budget: Budget,
    cache: Path,
    run_name: str | None = None,
) -> Job:
    """Put together the job of one configured candidate.

    Parameters
    ----------
    settings : Settings
    candidate_id : str
    data : SearchData
    budget : Budget
    cache : path
    run_name : str, optional
        Names the race of this run; absent: every candidate runs for itself, within its limit.
    """
    search = settings.search
    candidate = search.candidate(candidate_id)
    if isinstance(candidate, OptunaCandidate) and search.minutes < _EXPLORING_MINUTES:
        candidate = candidate.model_copy(update={"explore": False})
    race = None
    if run_name:
        directory = cache / "races" / run_name
        race = Race(directory, candidate_id, budget.shares, budget.race_seconds, budget.workers)
    return Job(
        candidate=candidate,
        data=data,
        seconds=budget.seconds[candidate_id],
        seed=settings.seed,
        cache=cache,
        patch_sizes=budget.patch_sizes,
        memory_gib=search.memory_gib or free_gibibytes() / 2,
        max_model_mb=search.max_model_mb,
        champion_threads=budget.champion_threads,
        race=race,
        warm_start=search.warm_start,
        confidence=settings.evaluation.confidence,
    )


def free_gibibytes() -> float:
    """Memory that could be used now without pushing other programs out, in GiB."""
    import psutil

    return float(psutil.virtual_memory().available / 2**30)


def prepare_columns(data: SearchData, patch_sizes: tuple[str, ...], seed: int, cache: Path) -> Any:
    """Compute the columns that the candidates share, on all processors.

    Returns
    -------
    ColumnStore
    """
    from fmnist_lib.features.chunks import available_threads
    from fmnist_lib.search.recipes.column_cache import prune
    from fmnist_lib.search.recipes.pipelines import shared_extractors

    prune(cache / "features", CACHE_GIBIBYTES)
    store = ColumnStore(cache / "features", data, seed)
    store.prepare(shared_extractors(patch_sizes), available_threads())
    return store
