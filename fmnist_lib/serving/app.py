"""MLflow's scoring server with limits on requests, as an open port needs.

`mlflow models serve` starts the same server without them. It reads a request of any size, answers
one without a content type with status 500, accepts one spelling of each content type, treats the
first line of every CSV as a header, and has no extension point; hence this module.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from fmnist_lib.serving.mlflow_model import signature
from fmnist_lib.serving.pyfunc import ServedModel
from fmnist_lib.serving.request_limits import RequestLimits

if TYPE_CHECKING:
    from fmnist_lib.model_files.stored_model import LoadedModel


def make_app(model: LoadedModel, max_request_mb: float, level: float | None = None) -> Any:
    """Return the ASGI application.

    ``POST /invocations`` takes what MLflow's servers take, such as ``{"inputs": [image, ...]}``
    as ``application/json``, CSV and Parquet; ``GET /ping``, ``/health`` and ``/version`` are
    MLflow's as well.

    Parameters
    ----------
    model : LoadedModel
    max_request_mb : float
        Larger requests get status 413.
    level : float in (0, 1), optional
        See `fmnist_lib.serving.pyfunc.ServedModel`.

    Raises
    ------
    ModelError
        A level is given, and the model has no calibration of prediction sets.
    """
    from mlflow.models import Model
    from mlflow.pyfunc import scoring_server

    metadata = Model(signature=signature())
    served = SimpleNamespace(metadata=metadata, predict=ServedModel(model, level).predict)
    app = scoring_server.init(served)
    app.add_middleware(RequestLimits, max_bytes=int(max_request_mb * 1e6))
    return app
