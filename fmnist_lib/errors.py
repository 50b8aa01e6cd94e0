"""The few kinds of error a user can meet.

Every message says what was wrong, what was expected, what was found and what to do.
"""


class FmnistError(Exception):
    """Base class of every error this project raises on purpose."""


class ConfigError(FmnistError):
    """A configuration file or a command line parameter is not usable."""


class DataError(FmnistError, ValueError):
    """Data are missing, damaged or not what they claim to be."""


class SearchError(FmnistError):
    """A candidate, or the whole search, produced no usable pipeline."""


class TrackingError(FmnistError):
    """The MLflow server or its registry refused or could not be reached."""


class ModelError(FmnistError):
    """A model cannot be written, or a model file is not one that may be loaded."""
