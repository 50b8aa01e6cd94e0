"""The work of the pipeline, on arrays and frames."""

from fmnist_lib.process import replace_missing_backend

# Here, because any module of the library may be the first to import Matplotlib.
replace_missing_backend()
