"""Read and check the images of a training run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fmnist_lib.common.paths import resolve_path
from fmnist_lib.config.drift import MAX_BATCH_ROWS
from fmnist_lib.data.audit import audit
from fmnist_lib.data.dataset import load_dataset
from fmnist_lib.data.formats.batch import read_batch
from fmnist_lib.workflows.data_changes import changes_since_champion

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fmnist_lib.common.data_version import DataVersion
    from fmnist_lib.common.labels import LabelColumn
    from fmnist_lib.config.training import Settings
    from fmnist_lib.data.audit_result import DataAudit
    from fmnist_lib.data.changes import DataChanges
    from fmnist_lib.data.dataset import Dataset
    from fmnist_lib.registry.store import StoreAddress


@dataclass(frozen=True)
class TrainingData:
    """The images of a training run; every field is an artifact of the step `start`.

    Attributes
    ----------
    dataset : Dataset
    data_version : DataVersion
    data_audit : DataAudit
    data_changes : DataChanges or None
        Since the champion's run.
    batch_images : ndarray of uint8, shape (n, 28, 28), or None
        To test for drift: a random sample of a batch that is larger than `MAX_BATCH_ROWS`.
    """

    dataset: Dataset
    data_version: DataVersion
    data_audit: DataAudit
    data_changes: DataChanges | None
    batch_images: NDArray[np.uint8] | None


def read_training_data(
    settings: Settings,
    address: StoreAddress,
    batch: str | None = None,
    label_column: LabelColumn | None = None,
) -> TrainingData:
    """Find, verify, audit and split the images, and read those to test for drift.

    Parameters
    ----------
    settings : Settings
    address : StoreAddress
        Of the registry with the champion. Relative paths of the configuration start from its root.
    batch : str, optional
        File of the images to test for drift.
    label_column : LabelColumn, optional
        See `fmnist_lib.data.formats.batch.read_batch`.
    """
    images = None
    if batch:
        images = read_batch(
            resolve_path(batch),
            label_column=label_column,
            at_most=MAX_BATCH_ROWS,
            seed=settings.seed,
        ).images
    dataset, version = load_dataset(settings.data, address.root, settings.seed)
    return TrainingData(
        dataset=dataset,
        data_version=version,
        data_audit=audit(dataset, settings.data.audit),
        data_changes=changes_since_champion(dataset, version, address),
        batch_images=images,
    )
