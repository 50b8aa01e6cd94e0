from __future__ import annotations

from cards.sections.gates import gates_section
from fmnist_lib.common.promotion_decision import GateResult, PromotionDecision

GOOD = GateResult("size", passed=True, measured="3", required="at most 150", explanation="MB")
SLOW = GateResult("latency", passed=False, measured="9", required="at most 6", explanation="ms")


def text(*gates, before):
    promoted = all(gate.passed for gate in gates)
    decision = PromotionDecision(
        "m", "5", promoted, gates, before, "5" if promoted else before, entry=1
    )
    return "\n".join(str(component.render()) for component in gates_section(decision))


def test_a_refusal_names_the_gate_and_who_stays():
    shown = text(GOOD, SLOW, before="4")
    assert "did not become champion** (version 4 stays); not passed: latency" in shown
    assert "FAILED" in shown
    assert "there is none yet" in text(SLOW, before=None)


def test_a_promotion_names_whom_it_replaces():
    assert "passed every gate and became champion, in place of version 4" in text(GOOD, before="4")
    assert "passed every gate and became champion.**" in text(GOOD, before=None)
    assert "passed every gate and became champion.**" in text(GOOD, before="5")


def test_without_a_registry_nothing_is_decided():
    (component,) = gates_section(None)
    assert "the model is not registered" in component.render()["source"]
