"""Root of the checkout, on a worker as well, and the packages in it made importable."""

import sys
from pathlib import Path

_FLOWS = Path(__file__).resolve().parent
#: Name of the copy of the checkout in a code package, beside the flow files that Metaflow runs.
PACKED = "checkout"
PROJECT_ROOT = _FLOWS / PACKED if (_FLOWS / PACKED).is_dir() else _FLOWS.parent

sys.path.insert(0, str(PROJECT_ROOT))
