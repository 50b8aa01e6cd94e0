"""Write the recorded cells of the matrix into docs/reliability.md.

python tests/faults/table.py
"""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
RECORD = ROOT / "dist" / "faults.json"
PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- begin matrix -->", "<!-- end matrix -->"


def table(cells, flow, steps):
    """Return the lines of a flow's table: faults by steps, and the seconds of each row."""
    faults = list(dict.fromkeys(fault for fault, one, _ in cells if one == flow))
    lines = [
        f"| `flows/{flow}.py` | {' | '.join(steps)} | seconds |",
        f"|---|{'---|' * len(steps)}---|",
    ]
    for fault in faults:
        row = [cells.get((fault, flow, step)) for step in steps]
        seconds = sum(cell["seconds"] for cell in row if cell)
        lines.append(f"| {fault} | {' | '.join(map(symbol, row))} | {seconds:.0f} |")
    return lines


def symbol(cell):
    """Return the text of a cell: empty if the fault is not injected at the step."""
    if cell is None:
        return ""
    return "**failed**" if cell["problems"] else "ok"


def cells_failed(cells, name):
    """Return True if the cell of this name was run and failed."""
    cell = cells.get(tuple(name.split(" / ")))
    return bool(cell and cell["problems"])


def main():
    """Replace the tables on the page; return 1 if a cell failed for no known reason."""
    matrix = tomllib.loads((HERE / "matrix.toml").read_text())
    points, known = matrix["points"], matrix["known"]
    record = json.loads(RECORD.read_text())
    cells = {tuple(name.split(" / ")): cell for name, cell in record.items()}
    passed = sum(not cell["problems"] for cell in cells.values())
    lines = [f"{passed} of {len(cells)} cells passed.", ""]
    for flow in points:
        lines += [*table(cells, flow, list(points[flow])), ""]
    lines += [f"{name}: {reason}." for name, reason in known.items() if cells_failed(cells, name)]
    head, _, rest = PAGE.read_text().partition(BEGIN)
    PAGE.write_text("\n".join([head + BEGIN, "", *lines]) + "\n" + END + rest.partition(END)[2])
    sys.stdout.write(lines[0] + "\n")
    failed = {name for name, cell in record.items() if cell["problems"]}
    return 1 if failed - set(known) else 0


if __name__ == "__main__":
    raise SystemExit(main())
