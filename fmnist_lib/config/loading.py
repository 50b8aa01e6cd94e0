"""Read and check configuration files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from fmnist_lib.common.errors import ConfigError
from fmnist_lib.config.base import Section
from fmnist_lib.config.messages import describe_problems
from fmnist_lib.config.syntax import named_file, parse_text
from fmnist_lib.config.training import DEFAULT_CONFIG, Settings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


#: The default configuration with all its comments has 10,000.
_MAX_LETTERS = 1_000_000
AnySettings = TypeVar("AnySettings", bound=Section)


def parse_settings(text: str, source: str, model: type[AnySettings] = Settings) -> AnySettings:  # type: ignore[assignment]
    """Return settings from TOML, or from JSON such as the ``config.json`` of a bundle.

    Parameters
    ----------
    text : str
        Contents of the file.
    source : str
        Name of the file, for messages.
    model : type, default=Settings
        Model of the file.

    Raises
    ------
    ConfigError
        The text is neither, or a key is unknown, missing, of the wrong type or out of range.
        One message names the file, every such key, what was expected and what was found.
    """
    return validate_settings(parse_text(text, source), source, model)


def source_of(text: str, arguments: Sequence[str], default: Path = DEFAULT_CONFIG) -> str:
    """Return the name of the file that a configuration text was read from, for messages.

    Parameters
    ----------
    text : str
        Contents of the file.
    arguments : sequence of str
        Command line arguments; the file is one of them, or else the default file.
    default : Path
    """
    return named_file(text, [*arguments, str(default)]) or "configuration"


def validate_settings(
    content: dict[str, Any],
    source: str,
    model: type[AnySettings] = Settings,  # type: ignore[assignment]
) -> AnySettings:
    """Check parsed settings; see `parse_settings`."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        lines = [f"{source}: {problem}" for problem in describe_problems(error, content)]
        raise ConfigError("\n".join(lines)) from None


def read_settings(path: Path, model: type[AnySettings] = Settings) -> AnySettings:  # type: ignore[assignment]
    """Read settings from a TOML or JSON file; see `parse_settings`."""
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(_MAX_LETTERS + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path}: expected a readable TOML or JSON file, got: {error}. Check the path."
        ) from None
    if len(text) > _MAX_LETTERS:
        raise ConfigError(
            f"{path}: expected a configuration of at most {_MAX_LETTERS} characters, got a larger "
            "file. Check the path."
        )
    return parse_settings(text, str(path), model)


def override(settings: Settings, **changes: Any) -> Settings:
    """Return settings with command line parameters applied; None leaves a value unchanged.

    Parameters
    ----------
    settings : Settings
    **changes
        ``seed``, ``minutes``, ``early_stop``, ``rows``, ``data_dir``, ``corrections`` and
        ``study_storage``.

    Raises
    ------
    ConfigError
        A value is out of its range; the message names the parameter.
    """
    places = {
        "seed": ("seed",),
        "minutes": ("search", "minutes"),
        "early_stop": ("search", "early_stop"),
        "rows": ("data", "rows"),
        "data_dir": ("data", "directory"),
        "corrections": ("data", "corrections"),
        "study_storage": ("search", "study_storage"),
    }
    content = settings.model_dump(mode="json")
    for parameter, value in changes.items():
        if value is None:
            continue
        *tables, key = places[parameter]
        table = content
        for name in tables:
            table = table[name]
        table[key] = value
    return validate_settings(content, "command line parameters")
