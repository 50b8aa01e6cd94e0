"""Readers refuse damaged files with documented errors; benchmarks/fuzz.py tries for longer."""

from __future__ import annotations

from functools import cache

import pytest
from fuzz_targets import TARGETS, run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

#: Reading a table of 784 columns takes tens of milliseconds.
SLOW = {"csv", "parquet"}
#: Lengths that overflow, deep nesting, long numbers, and what other formats begin with.
TOKENS = [b"\xff" * 8, b"\0" * 8, b"[" * 3000, b"9" * 5000, b'"', b"\n", b"PK\x03\x04", b"\x1f\x8b"]

edits = st.lists(
    st.tuples(
        st.floats(0, 1),
        st.integers(0, 40),
        st.one_of(st.binary(max_size=8), st.sampled_from(TOKENS)),
    ),
    min_size=1,
    max_size=4,
)
seeds = cache(lambda name: TARGETS[name].seeds())


def edited(content, changes):
    """Replace stretches of bytes, each from a relative position."""
    for where, length, replacement in changes:
        place = int(where * len(content))
        content = content[:place] + replacement + content[place + length :]
    return content


@pytest.mark.parametrize("name", TARGETS)
def test_a_valid_file_is_read_or_refused(name):
    outcomes = {run(name, content) for content in seeds(name)}
    assert "read" in outcomes or name == "manifest"


@pytest.mark.parametrize("name", TARGETS)
def test_only_documented_errors(name):
    @settings(
        max_examples=15 if name in SLOW else 60,
        deadline=5000,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.integers(0, 10), edits, st.binary(max_size=60), st.booleans())
    def read(seed, changes, other, is_edited):
        known = seeds(name)
        run(name, edited(known[seed % len(known)], changes) if is_edited else other)

    read()
