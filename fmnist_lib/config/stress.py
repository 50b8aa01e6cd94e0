"""Settings of slices, simulated shifts and behaviour tests of the winner."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from fmnist_lib.config.base import List, Section, Share
from fmnist_lib.config.drift import PixelShift


class StressConfig(Section):
    """Sizes of slices, simulated shifts and behaviour tests."""

    bins: Annotated[int, Field(ge=2, le=20)] = Field(
        default=5, description="Quantile bins of ink, size and distance to the training images."
    )
    min_slice: Annotated[int, Field(ge=10)] = Field(
        default=50, description="Fewest test images of a slice; smaller ones are not tested."
    )
    tree_depth: Annotated[int, Field(ge=1, le=6)] = Field(
        default=3, description="Depth of the decision tree that finds slices."
    )
    components: Annotated[int, Field(ge=2, le=100)] = Field(
        default=16, description="Principal components of the distance to the training images."
    )
    shifts: Annotated[tuple[PixelShift, ...], List, Field(min_length=1)] = (
        "gaussian_noise",
        "rotation",
        "translation",
        "darker",
        "blur",
        "occlusion",
    )
    rows: Annotated[int, Field(ge=30)] = Field(
        default=200,
        description="Validation images that each shift is applied to, at five strengths: two "
        "models predict 10 times as many images per shift.",
    )
    images_per_class: Annotated[int, Field(ge=5)] = Field(
        default=40, description="Validation images per class of a directional test."
    )
    typical_images: Annotated[int, Field(ge=1, le=100)] = Field(
        default=5, description="Unmistakable validation images per class, which must be correct."
    )
    pass_rate: Share = Field(
        default=0.9, description="Pass rate below which a behaviour test is reported as failed."
    )
