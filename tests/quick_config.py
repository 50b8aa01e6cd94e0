"""Variations of the quick configuration, for tests and benchmarks."""

from __future__ import annotations

#: Of one trial.
SMALL_CANDIDATE = """
[[search.candidates]]
id = "small"
engine = "optuna"
families = ["logistic"]
features = ["gradients"]
rows = 600
trials = 1
"""
#: Of two pipelines, which it evaluates on a Dask cluster of its own.
SMALL_TPOT = """
[[search.candidates]]
id = "small-tpot"
engine = "tpot"
rows = 300
components = 10
population = 2
generations = 1
"""


def with_candidate(text: str, candidate: str) -> str:
    """Return a configuration like `config/quick.toml` with other candidates in place of its own."""
    head, _, rest = text.partition("[[search.candidates]]")
    return head + candidate + rest[rest.index("[evaluation]") :]
