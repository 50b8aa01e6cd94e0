"""Exceptions with a message for the user.

Every message states what was wrong, what was expected, what was found and how to fix it.
"""


class FmnistError(Exception):
    """Base class of this project's exceptions."""


class ConfigError(FmnistError):
    """A configuration file or a command line parameter is invalid."""


class DataError(FmnistError, ValueError):
    """Data are missing, damaged or of the wrong kind."""


class SearchError(FmnistError):
    """A candidate, or the whole search, produced no usable pipeline."""


class TrackingError(FmnistError):
    """The MLflow server or its registry rejected a request or could not be reached."""


class DatastoreError(FmnistError):
    """Metaflow's datastore cannot store the results of a step."""


class ModelError(FmnistError):
    """A model cannot be written, or a model file must not be loaded."""
