"""The card of the explain step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metaflow.cards import Markdown

from cards.components import header, pictures, table
from cards.escape import text
from fmnist_lib.common.formatting import percent

if TYPE_CHECKING:
    from metaflow.cards import MetaflowCardComponent

    from fmnist_lib.data.version import DataVersion
    from fmnist_lib.explain.deletion import Advantage
    from fmnist_lib.explain.result import Explanation


def explain_card(explanation: Explanation, version: DataVersion) -> list[MetaflowCardComponent]:
    """Card of an explanation: result of the checks, SHAP maps, and method."""
    return [
        *header("SHAP attributions", version),
        Markdown(f"**{text(explanation.deletion.verdict)}**"),
        Markdown(
            f"{len(explanation.images)} held-out images were explained, "
            f"{explanation.n_mistakes} of them misclassified, in {explanation.seconds:.0f} s."
        ),
        Markdown("## Validity checks"),
        _checks(explanation),
        *pictures(one for one in explanation.pictures if one.name == "deletion"),
        Markdown("## Maps"),
        *pictures(one for one in explanation.pictures if one.name != "deletion"),
        Markdown("## Method"),
        _method(explanation),
    ]


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


def _method(explanation: Explanation) -> MetaflowCardComponent:
    return table(
        ["choice", "value"],
        [
            ("explainer", f"shap.{explanation.explainer}"),
            ("reason", explanation.reason),
            ("explained output", explanation.output),
            ("background images", explanation.background_rows),
        ],
    )
