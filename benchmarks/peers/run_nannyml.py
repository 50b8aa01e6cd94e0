"""NannyML's UnivariateDriftCalculator with its defaults; an alert of any column is an alarm.

Every batch is one chunk. By default it would be cut into ten, which a method made for a stream
needs and a single batch does not: tenths of a batch are further from the reference by chance.
"""

from __future__ import annotations

import os

# NannyML reports its use unless told before it is imported.
os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"

import pandas as pd
from drift_exchange import answer_all
from nannyml import UnivariateDriftCalculator


def main() -> None:
    """Answer for all batches."""
    answer_all(_fit, "nannyml")


def _fit(reference):
    columns = [f"output {number}" for number in range(reference.shape[1])]
    calculator = UnivariateDriftCalculator(column_names=columns, chunk_number=1)
    calculator.fit(pd.DataFrame(reference, columns=columns))

    def alarm(batch):
        result = calculator.calculate(pd.DataFrame(batch, columns=columns))
        found = result.filter(period="analysis").to_df()
        alerts = found.xs("alert", axis="columns", level=-1)
        return bool(alerts.to_numpy().any())

    return alarm


if __name__ == "__main__":
    main()
