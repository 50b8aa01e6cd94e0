"""From a dataset to the features, the budget and the jobs of a search."""

from __future__ import annotations

import time
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
    """Compute the features that candidates share, and divide the rest of the budget among them."""
    started, search = time.time(), settings.search
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
    return ColumnStore(cache / "features", data, settings.seed).files(extractors)


def candidate_job(
    candidate_id: str, dataset: Dataset, settings: Settings, budget: Budget, cache: Path
) -> Job:
    """Return the job of a candidate whose search starts now."""
    data = search_data(dataset, settings.search.holdout_share, settings.seed)
    return make_job(settings, candidate_id, data, budget, cache)
