"""Write the tables of benchmarks/results into the documentation, between their marks.

python benchmarks/tables.py [--check]

A table stands between ``<!-- NAME -->`` and ``<!-- end NAME -->``. With ``--check`` nothing is
written, and the exit code is 1 when a table differs from the results.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
DOCS = ROOT / "docs"
#: The shifts that Rabanser et al. (2019) average over, by their names here.
PAPER = (
    "adversarial",
    "class_knockout",
    "noise_small",
    "gaussian_noise",
    "noise_large",
    "image_small",
    "image_medium",
    "image_large",
    "image_medium_knockout",
    "image_medium_one_class",
)


def frontier(frame: pd.DataFrame) -> pd.DataFrame:
    """Accuracy and costs by budget: the mean of the seeds, and their range."""
    groups = frame.groupby("minutes")
    accuracy = groups["test_accuracy"]
    spread = [
        f"{mean:.4f}" if count == 1 else f"{mean:.4f} ({low:.4f} to {high:.4f})"
        for mean, count, low, high in zip(
            accuracy.mean(), accuracy.count(), accuracy.min(), accuracy.max(), strict=True
        )
    ]
    return pd.DataFrame(
        {
            "minutes": [f"{minutes:g}" for minutes in accuracy.mean().index],
            "runs": accuracy.count().to_list(),
            "test accuracy": spread,
            "seconds used": [f"{seconds:.0f}" for seconds in groups["budget_seconds"].mean()],
            "both cores busy": [f"{share:.0%}" for share in groups["processor_share"].mean()],
            "peak GiB": [f"{peak:.1f}" for peak in groups["peak_gib"].max()],
            "model MB": [f"{size:.0f}" for size in groups["model_mb"].mean()],
            "ms per image, one core": [f"{ms:.2f}" for ms in groups["ms_per_image"].mean()],
        }
    )


def peers(frame: pd.DataFrame) -> pd.DataFrame:
    """Accuracy and costs of the alternatives, the best first."""
    frame = frame.sort_values("accuracy", ascending=False, na_position="last")
    known = frame["accuracy"].notna()
    intervals = "[" + frame["low"].map("{:.4f}".format) + ", " + frame["high"].map("{:.4f}]".format)
    return pd.DataFrame(
        {
            "on two cores": frame["peer"],
            "input": frame["input"],
            "minutes": frame["minutes"].map("{:g}".format),
            "test accuracy": frame["accuracy"].map("{:.4f}".format).where(known, "none"),
            "95 % interval": intervals.where(known, ""),
            "seconds used": frame["fit_seconds"].map("{:.0f}".format).where(known, ""),
            "peak GiB": frame["peak_gib"].map("{:.1f}".format).where(frame["peak_gib"].notna(), ""),
            "remarks": frame["note"].astype("string").fillna(""),
        }
    )


def growth(frame: pd.DataFrame) -> pd.DataFrame:
    """Time and memory of a fit by rows."""
    return pd.DataFrame(
        {
            "rows": [f"{rows:,}" for rows in frame["rows"]],
            "kept rows": [f"{rows:,}" for rows in frame["kept_rows"]],
            "fit seconds": [f"{seconds:.1f}" for seconds in frame["fit_seconds"]],
            "predict ms per image": [f"{ms:.2f}" for ms in frame["predict_ms_per_image"]],
            "peak GiB": [f"{peak:.1f}" for peak in frame["peak_gib"]],
            "accuracy": [f"{accuracy:.4f}" for accuracy in frame["accuracy"]],
        }
    )


#: The test on which the verdict depends.
DEFAULT_TEST = "ks-default"
#: Names of the tests in the table of detection rates.
METHODS = {
    DEFAULT_TEST: "default test (KS of outputs and features)",
    "ks-outputs": "KS of the champion's outputs",
    "ks-features": "KS of named features",
    "ks-pixels": "KS of pixels",
    "ks-pca": "KS of principal components",
    "ks-projection": "KS of random projections",
    "chi2-classes": "chi-square of predicted classes",
}


def power(frame: pd.DataFrame) -> pd.DataFrame:
    """Mean detection rate over shifts and fractions, and false-alarm rate, by batch size."""
    shifted = frame[frame["shift"].isin(PAPER)]
    null = frame[(frame["shift"] == "none") & (frame["method"] == DEFAULT_TEST)]
    rates = shifted.pivot_table("rate", "method", "n").reindex(list(METHODS))
    false_alarms = null.set_index("n")["rate"]
    rates = rates.rename(index=METHODS)
    rates.loc["default test, no shift"] = false_alarms
    return rates.map(_rate).reset_index(names="images per batch")


def drift_peers(frame: pd.DataFrame) -> pd.DataFrame:
    """Share of batches with an alarm: without a shift, and the mean over the shifts."""
    kinds = frame["shift"].eq("none").map({True: "false alarms", False: "detected"})
    columns = kinds + frame["n"].map(", n = {}".format)
    table = frame.assign(column=columns).pivot_table("rate", "test", "column", sort=False)
    first = sorted(table.columns, key=lambda name: name.startswith("detected"))
    return table[first].sort_index().map(_rate).reset_index(names="test")


def conformal(frame: pd.DataFrame) -> pd.DataFrame:
    """Coverage and size of prediction sets by level and method."""
    frame = frame.sort_values("level", kind="stable")
    interval = frame["low"].map("[{:.4f}, ".format) + frame["high"].map("{:.4f}]".format)
    return pd.DataFrame(
        {
            "level": frame["level"].map("{:.0%}".format),
            "method": frame["method"],
            "coverage": frame["coverage"].map("{:.4f}".format),
            "99 % of exact ones": interval,
            "lowest class": frame["lowest_class"].map("{:.3f}".format),
            "highest class": frame["highest_class"].map("{:.3f}".format),
            "classes within": [f"{n} of 10" for n in frame["classes_inside"]],
            "mean size": frame["mean_size"].map("{:.3f}".format),
            "one class": frame["single"].map("{:.1%}".format),
            "empty": frame["empty"].map("{:.1%}".format),
        }
    )


def scale(frame: pd.DataFrame) -> pd.DataFrame:
    """Time and memory of the commands by the number of images."""
    return pd.DataFrame(
        {
            "command": frame["command"],
            "images": [f"{images:,}" for images in frame["images"]],
            "seconds": [f"{seconds:.0f}" for seconds in frame["seconds"]],
            "seconds per million": [f"{seconds:.0f}" for seconds in frame["seconds_per_million"]],
            "processor seconds per million": [
                f"{seconds:.0f}" for seconds in frame["processor_seconds_per_million"]
            ],
            "peak GiB": [f"{peak:.2f}" for peak in frame["peak_gib"]],
        }
    )


def _rate(rate: float) -> str:
    return "" if pd.isna(rate) else f"{rate:.2f}"


#: Every table of a page, with its source file.
TABLES = {
    "benchmarks.md": {
        "frontier": (frontier, RESULTS / "frontier.csv"),
        "peers": (peers, RESULTS / "peers.csv"),
        "growth": (growth, RESULTS / "growth.csv"),
        "power": (power, ROOT / "fmnist_lib" / "drift" / "power.csv"),
        "drift_peers": (drift_peers, RESULTS / "drift_peers.csv"),
        "conformal": (conformal, RESULTS / "conformal.csv"),
    },
    "scale.md": {"scale": (scale, RESULTS / "scale.csv")},
}


def main() -> int:
    """Write or check the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    options = parser.parse_args()
    pages = {DOCS / name: (DOCS / name).read_text(encoding="utf-8") for name in TABLES}
    wanted = {page: filled(page, text) for page, text in pages.items()}
    if options.check:
        return int(wanted != pages)
    for page, text in wanted.items():
        page.write_text(text, encoding="utf-8")
    return 0


def filled(page: Path, text: str) -> str:
    """Return a page's text with every marked table made from the results."""
    for name, (table, file) in TABLES[page.name].items():
        content = markdown(table(pd.read_csv(file)))
        text, marks = re.subn(
            rf"(?<=<!-- {name} -->\n).*?(?=<!-- end {name} -->)",
            content.replace("\\", r"\\"),  # as it is, not as a template
            text,
            flags=re.DOTALL,
        )
        if marks != 1:
            raise SystemExit(f"{page.name}: expected one pair of marks of {name}, got {marks}")
    return text


def markdown(frame: pd.DataFrame) -> str:
    """Return a table in Markdown."""
    lines = [list(map(str, frame.columns)), ["---"] * len(frame.columns)]
    lines += frame.astype(str).to_numpy().tolist()
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
