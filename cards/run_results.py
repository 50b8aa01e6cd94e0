"""Read the results of a run through Metaflow's Client API."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from fmnist_lib.common.errors import DataError
from fmnist_lib.evaluation.run_comparison import RunResults
from fmnist_lib.release import bundle_results
from fmnist_lib.release.reproduce import MANIFEST

if TYPE_CHECKING:
    from metaflow import Run


def read_results(name: str) -> RunResults:
    """Read the results of a bundle or of a Metaflow run.

    Parameters
    ----------
    name : str
        Path of a bundle, packed or unpacked; or ``FashionMnistTrain/<id>``, or the id alone.

    Raises
    ------
    DataError
        There is no such run, or it did not select a winner.
    BundleError
        The bundle was changed.
    """
    path = Path(name).expanduser()
    if path.exists():
        return bundle_results.read_results(path)
    return _results_of_run(name if "/" in name else f"FashionMnistTrain/{name}")


def read_run(pathspec: str) -> Run:
    """Return a Metaflow run of any namespace."""
    from metaflow import Run
    from metaflow.exception import MetaflowException

    try:
        return Run(pathspec, _namespace_check=False)
    except MetaflowException as error:
        raise DataError(
            f"{pathspec}: expected a bundle's path or a training run, found none ({error}). "
            "docs/cards.md shows how runs are listed."
        ) from None


def _results_of_run(pathspec: str) -> RunResults:
    from metaflow.exception import MetaflowException

    run = read_run(pathspec)
    try:
        task = run["select"].task
        data = {
            key: task[key].data
            for key in ("data_version", "leaderboard", "test_probabilities", "dataset")
        }
        settings = task["resolved_config"].data
    except (MetaflowException, KeyError, AttributeError, TypeError) as error:
        raise DataError(
            f"{pathspec}: expected a training run that selected a winner, got one that did not "
            f"({error}). Resume it, or name another one."
        ) from None
    try:
        bundle = Path(run["publish"].task["bundle_path"].data)
        with bundle_results.open_bundle(bundle) as (_, read):
            code = bundle_results.code_of(json.loads(read(MANIFEST)))
    except (
        MetaflowException,
        OSError,
        KeyError,
        AttributeError,
        TypeError,
        zipfile.BadZipFile,
    ):
        # The versions of a run are in its bundle alone, which may lie elsewhere by now.
        code = {}
    test = data["dataset"].test
    return RunResults(
        name=pathspec,
        settings=settings,
        data=data["data_version"].splits,
        code=code,
        leaderboard=data["leaderboard"],
        labels=test.labels,
        predictions=data["test_probabilities"].argmax(axis=1),
        images=test.images,
    )
