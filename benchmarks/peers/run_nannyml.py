"""NannyML's UnivariateDriftCalculator with its defaults; an alert of any column is an alarm.

Its thresholds come from chunks of the reference, and the distance of a chunk depends on its size.
Chunks have therefore as many rows as the batch, which is one; by default there are ten on either
side, whatever their sizes.
"""

from __future__ import annotations

import os
from functools import cache

# NannyML reports its use unless told before it is imported.
os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"

import pandas as pd
from drift_exchange import answer_all
from nannyml import UnivariateDriftCalculator


def main() -> None:
    """Answer for all batches."""
    answer_all(_fit, "nannyml")


def _fit(reference):
    before = pd.DataFrame(reference).add_prefix("output ")

    @cache
    def fitted(n):
        return UnivariateDriftCalculator(column_names=list(before), chunk_size=n).fit(before)

    def alarm(batch):
        now = pd.DataFrame(batch).add_prefix("output ")
        found = fitted(len(now)).calculate(now).filter(period="analysis").to_df()
        alerts = found.xs("alert", axis="columns", level=-1)
        return bool(alerts.to_numpy(dtype=bool).any())

    return alarm


if __name__ == "__main__":
    main()
