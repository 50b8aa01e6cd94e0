"""From a dataset to the features, the budget and the jobs of a search."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from fmnist_lib.search.execution.budget import plan_budget
from fmnist_lib.search.execution.candidate import make_job
from fmnist_lib.search.recipes.column_cache import ColumnStore, prepare_columns
from fmnist_lib.search.recipes.pipelines import patch_sizes, shared_extractors
from fmnist_lib.search.recipes.search_data import search_data

if TYPE_CHECKING:
    from pathlib import Path

    from fmnist_lib.config.training import Settings
    from fmnist_lib.data.dataset import Dataset
    from fmnist_lib.search.engines.job import Job
    from fmnist_lib.search.execution.budget import Budget


def prepare_search(dataset: Dataset, settings: Settings, cache: Path) -> Budget:
    """Compute the features that candidates share, and divide the rest of the budget among them.

    Raises
    ------
    SearchError
        The configured study storage can't be used.
    """
    started, search = time.time(), settings.search
    if search.study_storage:
        from fmnist_lib.search.engines.shared_storage import open_storage

        # Before the candidates start, all of which would make its tables.
        open_storage(search.study_storage)
    data = search_data(dataset, search.holdout_share, settings.seed)
    extractors = shared_extractors(patch_sizes(search))
    prepare_columns(data, extractors, settings.seed, cache)
    return plan_budget(search, started)


def shared_features(dataset: Dataset, settings: Settings, cache: Path) -> dict[str, bytes]:
    """Return the features that `prepare_search` computed, for machines with another cache.

    Returns
    -------
    dict of str to bytes
        Files by their path; `restore_columns` writes them. 0.5 GB for all images.
    """
    data = search_data(dataset, settings.search.holdout_share, settings.seed)
    extractors = shared_extractors(patch_sizes(settings.search))
    return ColumnStore(cache, data, settings.seed).files(extractors)


def candidate_job(  # noqa: PLR0917 (all of them are the run's)
    candidate_id: str,
    dataset: Dataset,
    settings: Settings,
    budget: Budget,
    cache: Path,
    searched_in: str | None = None,
) -> Job:
    """Return the job of a candidate whose search starts now.

    Parameters
    ----------
    candidate_id : str
    dataset : Dataset
    settings : Settings
    budget : Budget
    cache : path
    searched_in : str, optional
        ``Flow/run`` in which the search began; a resumed run continues it.
    """
    data = search_data(dataset, settings.search.holdout_share, settings.seed)
    job = make_job(settings, candidate_id, data, budget, cache)
    return replace(job, study_name=f"{searched_in}/{candidate_id}") if searched_in else job
