"""The model card and the datasheet of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.common.labels import CLASS_NAMES, N_CLASSES
from fmnist_lib.release.summary import Summary, render

if TYPE_CHECKING:
    from fmnist_lib.common.run_report import RunReport
    from fmnist_lib.model_files.stored_model import SavedModel


def render_documents(report: RunReport, model: SavedModel) -> dict[str, str]:
    """Render both documents as self-contained HTML pages, by file name.

    References
    ----------
    Mitchell et al., "Model Cards for Model Reporting", FAT* 2019; Gebru et al., "Datasheets for
    Datasets", Communications of the ACM 2021.
    """
    values = {
        "report": report,
        "summary": Summary(report),
        "model": model,
        "per_class": report.evaluation.per_class.to_dict("records"),
        "classes": CLASS_NAMES,
        "counts": {
            name: np.bincount(labels, minlength=N_CLASSES).tolist()
            for name, labels in report.labels.items()
        },
    }
    return {
        "model-card.html": render("model_card.html", **values),
        "datasheet.html": render("datasheet.html", **values),
    }
