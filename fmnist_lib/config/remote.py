"""Settings of steps that run on other machines; a run on this machine ignores them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from fmnist_lib.config.base import Section


class StepResources(Section):
    """Resources that a step requests; absent: Metaflow's defaults, 1 core and 4096 MB."""

    cpu: Annotated[float, Field(gt=0)] | None = Field(default=None, description="Cores.")
    memory: Annotated[int, Field(gt=0)] | None = Field(default=None, description="MB.")
    disk: Annotated[int, Field(gt=0)] | None = Field(default=None, description="MB.")


class RemoteConfig(Section):
    """Settings of steps that run on Kubernetes or Argo Workflows."""

    retries: Annotated[int, Field(ge=0, le=10)] = Field(
        default=2,
        description="Further attempts of a failed step. Steps that evaluate the winner on the test "
        "images or register it are never repeated.",
    )
    resources: dict[str, StepResources] = Field(
        default={}, description="Resources by step: `[remote.resources.search]`."
    )

    @field_validator("resources")
    @classmethod
    def _sort(cls, resources: dict[str, StepResources]) -> dict[str, StepResources]:
        """Give equal settings one form, whatever their order in the file."""
        return dict(sorted(resources.items()))
