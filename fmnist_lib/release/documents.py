"""The model card and the datasheet of a run, made from its artifacts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fmnist_lib.common.labels import CLASS_NAMES, N_CLASSES
from fmnist_lib.release.summary import render

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from fmnist_lib.model_files.stored_model import SavedModel
    from fmnist_lib.release.summary import RunSummary


@dataclass(frozen=True, eq=False)
class DocumentFacts:
    """Content of the model card and the datasheet.

    Attributes
    ----------
    run : RunSummary
    model : SavedModel
    per_class : DataFrame
        As `fmnist_lib.evaluation.metrics.Evaluation` has it.
    labels : mapping of str to ndarray
        Labels of every split.
    twins : sequence
        Duplicates and near-duplicates, as the audit counted them; may be empty.
    """

    run: RunSummary
    model: SavedModel
    per_class: pd.DataFrame
    labels: Mapping[str, np.ndarray]
    twins: Sequence[Any] = ()


def render_documents(facts: DocumentFacts) -> dict[str, str]:
    """Render both documents as self-contained HTML pages, by file name.

    References
    ----------
    Mitchell et al., "Model Cards for Model Reporting", FAT* 2019; Gebru et al., "Datasheets for
    Datasets", Communications of the ACM 2021.
    """
    counts = {
        name: np.bincount(labels, minlength=N_CLASSES).tolist()
        for name, labels in facts.labels.items()
    }
    shared = {"run": facts.run, "counts": counts}
    per_class = facts.per_class.to_dict("records")
    return {
        "model-card.html": render(
            "model_card.html", **shared, model=facts.model, per_class=per_class
        ),
        "datasheet.html": render(
            "datasheet.html", **shared, classes=list(CLASS_NAMES), twins=facts.twins
        ),
    }
