"""Variations of the quick configuration, for tests and benchmarks."""

from __future__ import annotations


def with_candidate(text: str, candidate: str) -> str:
    """Return a configuration like `config/quick.toml` with other candidates in place of its own."""
    head, _, rest = text.partition("[[search.candidates]]")
    return head + candidate + rest[rest.index("[evaluation]") :]
