"""Card of the step `explain`.

It answers without scrolling: whether the attributions can be trusted, by how much, and how many
images were explained.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metaflow.cards import Markdown

from cards.components import box, details, folded_table, header, pictures, table
from fmnist_lib.common.formatting import percent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from markupsafe import Markup
    from metaflow.cards import MetaflowCardComponent

    from fmnist_lib.data.version import DataVersion
    from fmnist_lib.explain.deletion import Advantage
    from fmnist_lib.explain.result import Explanation


def explain_card(explanation: Explanation, version: DataVersion) -> list[MetaflowCardComponent]:
    """Card of an explanation: result of the checks, SHAP maps, and method."""
    return [
        *header(
            explanation.deletion.verdict.rstrip("."),
            version,
            f"SHAP attributions of {len(explanation.images)} held-out images, "
            f"{explanation.n_mistakes} of them misclassified.",
            _boxes(explanation),
        ),
        *pictures(one for one in explanation.pictures if one.name == "deletion"),
        *pictures(one for one in explanation.pictures if one.name != "deletion"),
        Markdown("## Validity checks"),
        _checks(explanation),
        details("Method", _method(explanation)),
        Markdown(f"Time: {explanation.seconds:.0f} s."),
    ]


def _boxes(explanation: Explanation) -> Iterator[Any]:
    deletion = explanation.deletion
    for title, advantage in (
        ("Beyond hiding random pixels", deletion.over_random),
        ("Beyond the same pattern elsewhere", deletion.over_displaced),
    ):
        difference = advantage.difference
        yield box(
            title,
            f"{difference.value:+.3f}",
            f"drop of the probability; {difference.confidence:.0%} interval "
            f"{difference.low:.3f} to {difference.high:.3f}",
            f"for {percent(advantage.share, 0)} of the images",
            good=advantage.is_positive,
        )
    yield box(
        "Values add up to the output",
        "yes" if explanation.is_additive else "NO",
        f"largest error {explanation.additivity_error:.1g}",
    )
    yield box("Images explained", f"{len(explanation.images)}", f"by shap.{explanation.explainer}")


def _checks(explanation: Explanation) -> MetaflowCardComponent:
    deletion = explanation.deletion
    return table(
        ["check", "result", "passed"],
        [
            (
                "Hiding important pixels lowers the probability more than hiding random ones",
                _advantage(deletion.over_random),
                _yes_no(deletion.over_random.is_positive),
            ),
            (
                "... more than hiding the same pattern elsewhere in the image",
                _advantage(deletion.over_displaced),
                _yes_no(deletion.over_displaced.is_positive),
            ),
            (
                "SHAP values add up to the model's output",
                _additivity(explanation),
                _yes_no(explanation.is_additive),
            ),
        ],
    )


def _advantage(advantage: Advantage) -> str:
    difference = advantage.difference
    return (
        f"by {difference.value:.3f} [{difference.low:.3f}, {difference.high:.3f}] on average, "
        f"for {percent(advantage.share, 0)} of the images"
    )


def _additivity(explanation: Explanation) -> str:
    return (
        f"largest error {explanation.additivity_error:.1g}, "
        f"bound {explanation.additivity_bound:.1g}"
    )


def _yes_no(passed: bool) -> str:
    return "yes" if passed else "NO"


def _method(explanation: Explanation) -> Markup:
    return folded_table(
        ["choice", "value"],
        [
            ("explainer", f"shap.{explanation.explainer}"),
            ("reason", explanation.reason),
            ("explained output", explanation.output),
            ("background images", explanation.background_rows),
        ],
    )
