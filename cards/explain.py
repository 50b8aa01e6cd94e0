"""The card of the explain step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metaflow.cards import Markdown

from cards.components import header, percent, pictures, table
from cards.escape import text

if TYPE_CHECKING:
    from metaflow.cards import MetaflowCardComponent

    from fmnist_lib.data.version import DataVersion
    from fmnist_lib.explain.deletion import Advantage
    from fmnist_lib.explain.result import Explanation


def explain_card(explanation: Explanation, version: DataVersion) -> list[MetaflowCardComponent]:
    """What the champion looks at, and first how far that can be trusted."""
    return [
        *header("What the champion looks at", version),
        Markdown(f"**{text(explanation.deletion.verdict)}**"),
        Markdown(
            f"{len(explanation.images)} held-out images were explained, "
            f"{explanation.n_mistakes} of them answered wrongly, in {explanation.seconds:.0f} s."
        ),
        Markdown("## Can the maps be trusted?"),
        _checks(explanation),
        *pictures(one for one in explanation.pictures if one.name == "deletion"),
        Markdown("## The maps"),
        *pictures(one for one in explanation.pictures if one.name != "deletion"),
        Markdown("## How they were made"),
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
                _yes(deletion.over_random.is_positive),
            ),
            (
                "... more than hiding the same pattern elsewhere in the image",
                _advantage(deletion.over_displaced),
                _yes(deletion.over_displaced.is_positive),
            ),
            (
                "SHAP values add up to the champion's output",
                _additivity(explanation),
                _yes(explanation.is_additive),
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


def _yes(passed: bool) -> str:
    return "yes" if passed else "NO"


def _method(explanation: Explanation) -> MetaflowCardComponent:
    return table(
        ["choice", "value"],
        [
            ("explainer", f"shap.{explanation.explainer}"),
            ("why", explanation.reason),
            ("explained output", explanation.output),
            ("images that stand for unknown pixels", explanation.background_rows),
        ],
    )
