"""Compare a new run's data with the champion's.

This module combines `data` and `tracking`, which do not import each other.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from fmnist_lib.common.errors import TrackingError
from fmnist_lib.data.changes import DataChanges, RowIndex, compare_data
from fmnist_lib.registry.champion import file_of_champion

if TYPE_CHECKING:
    from pathlib import Path

    from fmnist_lib.config.release import TrackingConfig
    from fmnist_lib.data.dataset import Dataset
    from fmnist_lib.data.version import DataVersion

logger = logging.getLogger(__name__)

#: File of an MLflow run that holds the hash and the label of every image.
ROWS = "data/rows.npz"


def changes_since_champion(
    dataset: Dataset,
    version: DataVersion,
    config: TrackingConfig,
    root: Path,
    environment_uri: str | None = None,
) -> DataChanges | None:
    """Compare a run's data with those of the current champion.

    An error of MLflow is logged as a warning.

    Parameters
    ----------
    dataset : Dataset
    version : DataVersion
        Of the dataset.
    config : TrackingConfig
    root : Path
        Directory that holds ``mlruns/`` when no store is configured.
    environment_uri : str or None
        Value of ``MLFLOW_TRACKING_URI``, read by the caller.

    Returns
    -------
    DataChanges or None
        None when there is no champion, its data are the same, or its run has no record of them.
    """
    try:
        found = file_of_champion(config, root, environment_uri, ROWS, version.fingerprint)
    except TrackingError as error:
        logger.warning("The data are not compared with the champion's. %s", error)
        return None
    if found is None:
        return None
    champion, content = found
    try:
        before = RowIndex.from_bytes(content)
    except Exception as error:  # noqa: BLE001 (whatever a damaged file raises)
        logger.warning("The data are not compared with the champion's: %s: %r", ROWS, error)
        return None
    return compare_data(before, RowIndex.of(dataset.splits.values()), champion)
