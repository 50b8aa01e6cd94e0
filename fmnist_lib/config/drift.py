"""Settings of the drift tests, and of the verdict."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fmnist_lib.config.base import List, Section, Share

#: Images assessed of a batch, unless the monitor's configuration says otherwise: more do not change
#: a verdict, and these fit into the memory of any machine.
MAX_BATCH_ROWS = 100_000
#: Shifts that change pixels, one per generator.
PixelShift = Literal[
    "gaussian_noise",
    "salt_and_pepper",
    "rotation",
    "translation",
    "image_small",
    "image_medium",
    "image_large",
    "darker",
    "brighter",
    "low_contrast",
    "inverted",
    "blur",
    "occlusion",
    "adversarial",
]
#: With the same generators at another strength, and shifts of the class mix.
ShiftName = Literal[
    PixelShift,
    "noise_small",
    "noise_large",
    "class_knockout",
    "label_shift",
    "image_medium_knockout",
    "image_medium_one_class",
]
TestMethod = Literal[
    "ks-default",
    "ks-outputs",
    "ks-features",
    "ks-pixels",
    "ks-pca",
    "ks-projection",
    "chi2-classes",
    "domain-classifier",
    "mmd",
]


class VerdictConfig(Section):
    """Thresholds of the verdict, and its false-alarm budgets."""

    false_retrains_per_year: Share = Field(
        default=0.05,
        description="Probability of at least one false `retrain` in a year without any shift.",
    )
    false_watches_per_year: Annotated[float, Field(gt=0, le=365)] = Field(
        default=4.0, description="Expected number of false `watch` in a year without any shift."
    )
    batches_per_year: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=365, description="Batches per year; they share the two false-alarm budgets."
    )
    min_effect: Share = Field(
        default=0.05,
        description="Smallest effect size that justifies retraining: a distance of cumulative "
        "distributions, or a share of the accuracy lost.",
    )
    min_drop: Share = Field(
        default=0.02, description="Smallest loss of accuracy for `retrain`: 0.02 = 2 points."
    )
    min_rows: Annotated[int, Field(ge=10)] = Field(
        default=50, description="Smaller batches get the verdict `insufficient_data`."
    )


class DriftConfig(Section):
    """Settings of the drift tests of a batch against the held-out reference."""

    alpha: Share = Field(
        default=0.05, description="Family-wise false-alarm rate over all features of a batch."
    )
    correction: Literal["bonferroni", "benjamini-hochberg"] = "bonferroni"
    batch_rows: Annotated[int, Field(ge=50)] = Field(
        default=1000, description="Images per simulated batch, at most half of `shift_rows`."
    )
    shifts: Annotated[tuple[ShiftName, ...], List, Field(min_length=1)] = (
        "gaussian_noise",
        "rotation",
        "image_medium",
        "darker",
        "blur",
        "class_knockout",
    )
    repeats: Annotated[int, Field(ge=1)] = Field(
        default=20, description="Batches drawn per simulated shift, and without shift."
    )
    shift_rows: Annotated[int, Field(ge=50)] = Field(
        default=2000, description="Held-out images that each simulated shift is applied to."
    )
    tests: Annotated[tuple[TestMethod, ...], List] = Field(
        default=("ks-outputs", "ks-features", "chi2-classes", "domain-classifier"),
        description="Tests that the monitor reports in addition to ks-default, which decides.",
    )
    components: Annotated[int, Field(ge=2, le=784)] = Field(
        default=32, description="Columns of ks-pca and ks-projection."
    )
    domain_rows: Annotated[int, Field(ge=100)] = Field(
        default=2000, description="Most images per side for the domain classifier."
    )
    mmd_rows: Annotated[int, Field(ge=20, le=5000)] = Field(
        default=500, description="Most images per side for MMD."
    )
    permutations: Annotated[int, Field(ge=99)] = Field(
        default=999, description="Permutations for the p-value of MMD."
    )
    verdict: VerdictConfig = VerdictConfig()
