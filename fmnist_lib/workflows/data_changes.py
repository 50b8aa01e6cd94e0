"""Compare a new run's data with the champion's."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from fmnist_lib.common.errors import TrackingError
from fmnist_lib.data.changes import DataChanges, RowIndex, compare_data
from fmnist_lib.registry.champion import find_champion_version, read_run_file

if TYPE_CHECKING:
    from fmnist_lib.common.data_version import DataVersion
    from fmnist_lib.data.dataset import Dataset
    from fmnist_lib.registry.store import StoreAddress

logger = logging.getLogger(__name__)

#: File of an MLflow run that holds the hash and the label of every image.
ROWS = "data/rows.npz"


def changes_since_champion(
    dataset: Dataset, version: DataVersion, address: StoreAddress
) -> DataChanges | None:
    """Compare a run's data with those of the current champion.

    An error of MLflow is logged as a warning.

    Parameters
    ----------
    dataset : Dataset
    version : DataVersion
        Of the dataset.
    address : StoreAddress

    Returns
    -------
    DataChanges or None
        None when there is no champion, its data are the same, or its run has no record of them.
    """
    try:
        champion = find_champion_version(address)
        if champion is None or champion.fingerprint == version.fingerprint:
            return None
        content = read_run_file(address, champion.mlflow_run_id, ROWS)
    except TrackingError as error:
        logger.warning("The data are not compared with the champion's. %s", error)
        return None
    if content is None:
        return None
    try:
        before = RowIndex.from_bytes(content)
    except Exception as error:  # noqa: BLE001 (whatever a damaged file raises)
        logger.warning("The data are not compared with the champion's: %s: %r", ROWS, error)
        return None
    return compare_data(before, RowIndex.of(dataset.splits.values()), champion.uri)
