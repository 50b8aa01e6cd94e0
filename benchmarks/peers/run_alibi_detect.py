"""KSDrift of alibi-detect with its defaults: p-values at 0.05, Bonferroni over all columns."""

from __future__ import annotations

from alibi_detect.cd import KSDrift
from drift_exchange import answer_all


def main() -> None:
    """Answer for all batches."""
    answer_all(_fit, "alibi-detect")


def _fit(reference):
    detector = KSDrift(reference)
    return lambda batch: bool(detector.predict(batch)["data"]["is_drift"])


if __name__ == "__main__":
    main()
