"""The section on a model's promotion and the result of every gate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metaflow.cards import Markdown

from cards.parts.components import table
from cards.parts.escape import text

if TYPE_CHECKING:
    from metaflow.cards import MetaflowCardComponent

    from fmnist_lib.common.promotion_decision import PromotionDecision


def gates_section(decision: PromotionDecision | None) -> list[MetaflowCardComponent]:
    """Build the section.

    Parameters
    ----------
    decision : PromotionDecision or None
        None when MLflow was not available.
    """
    if decision is None:
        return [Markdown("## Promotion\n\nNot decided: the model is not registered.")]
    return [
        Markdown(f"## Promotion\n\n{_verdict(decision)}"),
        table(
            ["gate", "result", "measured", "required", "what it checks"],
            (
                (
                    gate.name,
                    "passed" if gate.passed else "FAILED",
                    gate.measured,
                    gate.required,
                    gate.explanation,
                )
                for gate in decision.gates
            ),
        ),
    ]


def _verdict(decision: PromotionDecision) -> str:
    version = f"Version {decision.version} of {text(decision.name)}"
    if decision.promoted:
        before = decision.before
        instead = (
            f", in place of version {before}" if before not in {None, decision.version} else ""
        )
        return f"**{version} passed every gate and became champion{instead}.**"
    failed = ", ".join(text(gate.name) for gate in decision.failed)
    stays = f"version {decision.champion} stays" if decision.champion else "there is none yet"
    return f"**{version} did not become champion** ({stays}); not passed: {failed}."
