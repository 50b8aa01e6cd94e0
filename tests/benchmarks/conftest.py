from __future__ import annotations

import sys
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
# The scripts import each other by name, as they do when they are started.
sys.path += [str(BENCHMARKS), str(BENCHMARKS / "peers")]
