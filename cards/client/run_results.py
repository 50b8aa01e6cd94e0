"""Read the results of a run through Metaflow's Client API."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fmnist_lib.common.errors import DataError
from fmnist_lib.common.files import write_atomically
from fmnist_lib.common.paths import PROJECT_ROOT
from fmnist_lib.evaluation.run_comparison import RunResults
from fmnist_lib.release import bundle_results
from fmnist_lib.release.reproduce import MANIFEST

if TYPE_CHECKING:
    import pandas as pd
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
    return _results_of_run(_pathspec(name))


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


def read_suspects(name: str) -> pd.DataFrame:
    """Return the suspect labels of a run; see `fmnist_lib.label_audit.result.LabelAudit`.

    Raises
    ------
    DataError
        There is no such run, or it did not audit its labels.
    """
    run = read_run(_pathspec(name))
    task = run["cross_fit"].task if "cross_fit" in run else None
    audit = task["label_audit"].data if task is not None and "label_audit" in task else None
    if audit is None:
        raise DataError(
            f"{name}: expected a run that audited its training labels, got one that did not. Name "
            "another one, or set cross_fit.enabled in the configuration."
        )
    return audit.suspects


def _pathspec(name: str) -> str:
    """Return the address of a training run, which may be given as its id alone."""
    return name if "/" in name else f"FashionMnistTrain/{name}"


def bundle_of(run: Run) -> str | None:
    """Return the path of a run's bundle; None if the run did not write one.

    The bundle of a run on other machines is fetched from the datastore into ``bundles/``.
    """
    task = run["publish"].task if "publish" in run else None
    if task is None or "bundle_path" not in task:
        return None
    path = Path(task["bundle_path"].data)
    if path.exists() or "bundle" not in task or task["bundle"].data is None:
        return str(path)
    fetched = PROJECT_ROOT / "bundles" / path.name
    if not fetched.exists():
        fetched.parent.mkdir(exist_ok=True)
        write_atomically(fetched, task["bundle"].data)
    return str(fetched)


def results_of(name: str, data: Any, bundle: str | None) -> RunResults:
    """Return the results in the artifacts of a run.

    Parameters
    ----------
    name : str
        ``Flow/run``.
    data : object
        With the artifacts of the step `select` as attributes.
    bundle : str or None
        Path of the run's bundle, which alone has the versions of the code.
    """
    test = data.dataset.test
    return RunResults(
        name=name,
        settings=data.resolved_config,
        data=data.data_version.splits,
        code=_code(bundle),
        leaderboard=data.leaderboard,
        labels=test.labels,
        predictions=data.test_probabilities.argmax(axis=1),
        images=test.images,
        metrics=data.test_metrics,
    )


def _results_of_run(pathspec: str) -> RunResults:
    from metaflow.exception import MetaflowException

    run = read_run(pathspec)
    try:
        return results_of(pathspec, run["select"].task.data, bundle_of(run))
    except (MetaflowException, KeyError, AttributeError, TypeError) as error:
        raise DataError(
            f"{pathspec}: expected a training run that selected a winner, got one that did not "
            f"({error}). Resume it, or name another one."
        ) from None


def _code(bundle: str | None) -> dict[str, str]:
    """Return the versions in a bundle; none if it lies elsewhere by now."""
    try:
        with bundle_results.open_bundle(Path(bundle or "")) as (_, read):
            return bundle_results.code_of(json.loads(read(MANIFEST)))
    except (OSError, KeyError, zipfile.BadZipFile):
        return {}
