"""The work of the pipeline, on arrays and frames."""

from fmnist_lib.common.process import prepare_process

# Here, because any module of the library may be the first to import Matplotlib or MLflow.
prepare_process()
