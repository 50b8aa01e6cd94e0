"""Result of the gates, and of trying to promote a model version."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class GateResult:
    """Result of one gate.

    Attributes
    ----------
    name : str
        As in tags and messages: lower case, hyphens.
    passed : bool
    measured, required : str
        As text.
    explanation : str
        What the gate checks, or why it failed.
    """

    name: str
    passed: bool
    measured: str
    required: str
    explanation: str


@dataclass(frozen=True)
class PromotionDecision:
    """Result of trying to promote a version.

    Attributes
    ----------
    name, version : str
        Registered model and its version.
    promoted : bool
    gates : tuple of GateResult
    before, champion : str or None
        Version that was champion before, and that is now.
    entry : int
        Number in the audit log.
    """

    name: str
    version: str
    promoted: bool
    gates: tuple[GateResult, ...]
    before: str | None
    champion: str | None
    entry: int

    @property
    def failed(self) -> tuple[GateResult, ...]:
        """Gates that were not passed."""
        return tuple(gate for gate in self.gates if not gate.passed)

    @property
    def reason(self) -> str:
        """One line: every failed gate, or that there is none."""
        if self.promoted:
            return f"passed all {len(self.gates)} gates"
        return "; ".join(
            f"{gate.name}: {gate.measured}, required {gate.required} ({gate.explanation})"
            for gate in self.failed
        )
