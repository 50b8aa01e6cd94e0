"""Hold the scores of an explanation to thresholds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fmnist_lib.common.formatting import percent
from fmnist_lib.explain.result import Check, Trust

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fmnist_lib.explain.attribution import Attribution
    from fmnist_lib.explain.faithfulness import Advantage, Curves, Faithfulness
    from fmnist_lib.explain.randomisation import Randomisation
    from fmnist_lib.explain.result import Scores
    from fmnist_lib.explain.robustness import Robustness
    from fmnist_lib.explain.similarity import Agreement

#: Chosen here, as the papers that propose the scores state no thresholds: rank correlations that
#: count as the same or as another map, a change by invisible noise of half the map, and a Gini
#: index above the 0.41 of normal noise.
MIN_AGREEMENT, MAX_UNRELATED, MAX_SENSITIVITY, MIN_GINI = 0.8, 0.3, 0.5, 0.5
#: Share of the tested classes whose maps must be better than the controls.
MIN_CLASSES = 0.9


def judge(scores: Scores, attribution: Attribution) -> Trust:
    """Hold every score to its threshold.

    Not additive, not faithful to the model when pixels are deleted, or like the maps of a model of
    noise: the maps are not to be trusted. Any other failure, and a test that could not be made:
    with care.

    Parameters
    ----------
    scores : Scores
    attribution : Attribution
        The values that were tested.
    """
    checks = (
        _additivity(attribution),
        *_faithfulness(scores.faithfulness),
        *_robustness(scores.robustness),
        *_randomisation(scores.randomisation),
        _complexity(scores.gini),
    )
    failed = [one for one in checks if one.passed is False]
    untested = [f"{one.name} was not tested" for one in checks if one.passed is None]
    ordered = sorted(failed, key=lambda one: not one.is_decisive)
    reasons = (*(one.failure for one in ordered), *untested)
    if scores.zero_maps == len(attribution.shap_values):
        reasons = ("no pixel has any effect on the predicted class", *reasons)
        return Trust("no", reasons, checks)
    if any(one.is_decisive for one in failed):
        return Trust("no", reasons, checks)
    return Trust("with care" if reasons else "yes", reasons, checks)


def _additivity(attribution: Attribution) -> Check:
    return Check(
        "axioms",
        "values add up to the output",
        f"largest error {attribution.additivity_error:.1g}",
        f"at most {attribution.additivity_bound:.1g}",
        attribution.is_additive,
        "the values do not add up to the model's output",
        is_decisive=True,
    )


def _faithfulness(test: Faithfulness) -> Iterator[Check]:
    for name, curves, is_decisive in (
        ("deletion", test.deletion, True),
        ("insertion", test.insertion, False),
    ):
        for control, advantage in _controls(curves):
            yield Check(
                "faithfulness",
                f"{name}, compared with {control}",
                f"{advantage.difference.value:+.3f} [{advantage.difference.low:.3f}, "
                f"{advantage.difference.high:.3f}]",
                "interval above 0",
                advantage.is_positive,
                f"{name} in the order of the maps is not significantly better than with {control}",
                is_decisive,
            )
    ahead, tested = test.classes_ahead
    # With one image per class there is no interval, by choice of the configuration.
    if tested:
        yield Check(
            "faithfulness",
            "classes in which both tests favour the maps",
            f"{ahead} of {tested}",
            f"at least {percent(MIN_CLASSES, 0)}",
            ahead >= MIN_CLASSES * tested,
            f"the maps are better than the controls in only {ahead} of {tested} classes",
        )


def _controls(curves: Curves) -> tuple[tuple[str, Advantage], ...]:
    return (
        ("random pixels", curves.over_random),
        ("displaced maps", curves.over_displaced),
        ("maps of other images", curves.over_exchanged),
    )


def _robustness(found: Robustness) -> Iterator[Check]:
    for name, agreement, what in (
        ("two seeds and backgrounds", found.seeds, "another background gives other maps"),
        ("one grey level of noise", found.noise, "invisible noise gives other maps"),
    ):
        yield Check(
            "robustness",
            f"{name}, rank correlation",
            _correlation(agreement),
            f"at least {MIN_AGREEMENT}",
            None if agreement.mean is None else agreement.mean >= MIN_AGREEMENT,
            what,
        )
    largest = found.max_sensitivity
    yield Check(
        "robustness",
        "max-sensitivity to one grey level",
        "not tested: all maps are zero" if largest is None else f"{largest:.2f}",
        f"at most {MAX_SENSITIVITY}",
        None if largest is None else largest <= MAX_SENSITIVITY,
        "for some image invisible noise changes the map's values by half or more",
    )


def _randomisation(found: Randomisation) -> Iterator[Check]:
    for name, agreement, what, is_decisive in (
        (
            "model of shuffled labels",
            found.shuffled_labels,
            "a model of shuffled labels has similar maps",
            True,
        ),
        ("random other class", found.other_class, "other classes have similar maps", False),
    ):
        known = agreement is not None and agreement.mean is not None
        yield Check(
            "randomisation",
            f"{name}, rank correlation",
            _correlation(agreement) if agreement else f"not tested: {found.not_fitted}",
            f"at most {MAX_UNRELATED}",
            agreement.mean <= MAX_UNRELATED if known else None,  # type: ignore[union-attr,operator]
            what,
            is_decisive,
        )


def _complexity(gini: float | None) -> Check:
    return Check(
        "complexity",
        "concentration on few pixels, Gini index",
        "not tested: all maps are zero" if gini is None else f"{gini:.2f}",
        f"at least {MIN_GINI}",
        None if gini is None else gini >= MIN_GINI,
        "the effects are spread over the image like noise",
    )


def _correlation(agreement: Agreement) -> str:
    if agreement.mean is None:
        return "not tested: all maps are constant"
    return f"{agreement.mean:.2f}, mean of {agreement.n_pairs} images"
