"""Base class of every table in the configuration files, and types that several of them share."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(gt=0, lt=1)]
#: TOML and JSON have lists but no tuples; all other fields are strict about types.
List = Field(strict=False)


class Section(BaseModel):
    """A table of the configuration file."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")
