"""Join the search of a run from another process or host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fmnist_lib.common.cores import share_cores
from fmnist_lib.common.errors import SearchError
from fmnist_lib.common.process import available_cores
from fmnist_lib.config.loading import override, validate_settings
from fmnist_lib.data.dataset import load_dataset
from fmnist_lib.search.engines.optuna_engine import work
from fmnist_lib.search.engines.shared_study import joined_job, read_description
from fmnist_lib.search.execution.isolated import run_isolated
from fmnist_lib.search.recipes.column_cache import prepare_columns
from fmnist_lib.search.recipes.pipelines import patch_sizes, shared_extractors
from fmnist_lib.search.recipes.search_data import search_data

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fmnist_lib.config.training import Settings


def join_search(
    address: str,
    study_name: str,
    root: Path,
    *,
    cache: Path,
    data_dir: str | None = None,
    on_trial: Callable[[Any], None] = lambda _: None,
) -> int:
    """Run trials of a candidate's study until its search ends.

    The settings come from the study; the images from this machine, and they must be those of the
    run. Features are computed here, or found in the cache.

    Parameters
    ----------
    address : str
        Storage of the study.
    study_name : str
        ``Flow/run/candidate``.
    root : path
        The project, base of the default directories of the images.
    cache : path
        Directory of feature columns.
    data_dir : str, optional
        Directory of the images; default: that of the run's settings.
    on_trial : callable
        Called after every trial with the number of trials so far, and the best accuracy.

    Returns
    -------
    int
        Trials that were run here.

    Raises
    ------
    SearchError
        There is no such study, the images differ, or the process that ran the trials died.
    """
    description = read_description(address, study_name)
    settings: Settings = validate_settings(description["settings"], f"settings of {study_name}")
    settings = override(settings, data_dir=data_dir)
    dataset, _ = load_dataset(settings.data, root, settings.seed)
    data = search_data(dataset, settings.search.holdout_share, settings.seed)
    cores = available_cores()
    job = joined_job(description, address, study_name, data, cache=cache, cores=cores)
    prepare_columns(data, shared_extractors(patch_sizes(settings.search)), settings.seed, cache)
    with share_cores(cache / "running", cores) as threads:
        outcome = run_isolated(work, job, on_trial, lambda: None, threads)
    if outcome.error:
        raise SearchError(f"{study_name}: this worker failed: {outcome.error}.")
    return int(outcome.result)
