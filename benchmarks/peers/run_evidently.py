"""Evidently's DataDriftPreset with its defaults: drift in at least half of the columns.

A report also draws every column, which takes ten times as long as its tests. These are therefore
called themselves, as Evidently chooses them; the first batches check them against whole reports.
"""

from __future__ import annotations

import math
import os
from itertools import count

# Evidently reports its use unless told before it is imported.
os.environ["DO_NOT_TRACK"] = "1"

import pandas as pd
from drift_exchange import answer_all
from evidently import DataDefinition, Dataset, Report
from evidently.legacy.calculations.stattests import get_stattest
from evidently.presets import DataDriftPreset

DRIFT_SHARE = DataDriftPreset().drift_share
N_CHECKED = 12
_numbers = count()


def main() -> None:
    """Answer for all batches."""
    answer_all(_fit, "evidently")


def _fit(reference):
    before = pd.DataFrame(reference).add_prefix("output ")
    # Chosen by the number of rows and of distinct values of the reference.
    tests = {name: get_stattest(now, now, "num", None) for name, now in before.items()}

    def alarm(batch):
        now = pd.DataFrame(batch).add_prefix("output ")
        found = [test(before[name], now[name], "num", None).drifted for name, test in tests.items()]
        share = sum(found) / len(found)
        if next(_numbers) < N_CHECKED:
            _check(before, now, share)
        return share >= DRIFT_SHARE

    return alarm


def _check(before, now, share):
    definition = DataDefinition(numerical_columns=list(before))
    data = [Dataset.from_pandas(frame, definition) for frame in (now, before)]
    reported = Report([DataDriftPreset()]).run(*data).dict()["metrics"][0]["value"]["share"]
    if not math.isclose(reported, share):
        message = f"expected the share of the report, {reported}, got {share}"
        raise AssertionError(message)


if __name__ == "__main__":
    main()
