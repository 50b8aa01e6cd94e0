"""Read Parquet files with every byte of their metadata changed; run by test_limits.py."""

import io
from contextlib import suppress

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from fmnist_lib.common.errors import DataError
from fmnist_lib.data.formats.parquet_files import check_table

file = io.BytesIO()
parquet.write_table(pa.table({"a": pa.array(np.arange(3)), "b": ["x", None, "y"]}), file)
content = file.getvalue()
length = int.from_bytes(content[-8:-4], "little")
for place in range(len(content) - 8 - length, len(content) - 8):
    for bit in (1, 2):
        damaged = bytearray(content)
        damaged[place] ^= bit
        with suppress(DataError):
            check_table(bytes(damaged), "request", 5000)
