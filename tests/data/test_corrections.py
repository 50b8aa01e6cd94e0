from __future__ import annotations

import numpy as np
import pytest

from fmnist_lib.common.errors import DataError
from fmnist_lib.data.corrections import read_corrections

LABELS = np.array([0, 1, 2, 3, 9], dtype=np.uint8)


@pytest.fixture
def table(tmp_path):
    def write(*rows, header="image,given,suggested,corrected"):
        path = tmp_path / "labels.csv"
        path.write_text("\n".join([header, *rows]) + "\n")
        return path

    return write


def test_filled_in_rows_replace_labels_and_empty_ones_do_not(table):
    path = table("0,T-shirt/top,Shirt,shirt", "1,Trouser,Dress,", "4,9,Sandal,5", "2,2,Coat,2")
    found = read_corrections(path, LABELS)
    assert len(found) == 2
    assert found.apply(LABELS).tolist() == [6, 1, 2, 3, 5]


def test_any_white_space_around_a_position_is_ignored(table):
    found = read_corrections(table(" 0\x1e,0,,6", "\u30004\t,9,,5"), LABELS)
    assert found.apply(LABELS).tolist() == [6, 1, 2, 3, 5]


def test_a_table_without_corrections_changes_nothing(table):
    found = read_corrections(table("1,Trouser,Dress,"), LABELS)
    assert found.apply(LABELS).tolist() == LABELS.tolist()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["5,0,1,2"], "positions from 0 to 4 in the column image, got 5"),
        (["-1,0,1,2"], "got -1"),
        (["x,0,1,2"], "got x"),
        (["0,0,1,Hat"], r"class names .* in the column corrected, got Hat"),
        (["0,0,,6", "0,0,,5"], "every image once, got 0 more often"),
        (["0,Trouser,,6"], "got others for 1 images .* made for other data"),
    ],
)
def test_a_wrong_table_is_one_message(table, rows, message):
    with pytest.raises(DataError, match=message):
        read_corrections(table(*rows), LABELS)


def test_a_missing_column_or_file_is_one_message(table, tmp_path):
    with pytest.raises(DataError, match="columns image, given, corrected, corrected is missing"):
        read_corrections(table("1,2", header="image,given"), LABELS)
    with pytest.raises(DataError, match="expected a CSV table of corrected labels"):
        read_corrections(tmp_path / "absent.csv", LABELS)
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(DataError, match=r"binary\.csv: expected"):
        read_corrections(tmp_path / "binary.csv", LABELS)
    (tmp_path / "empty.csv").write_bytes(b"")
    with pytest.raises(DataError, match=r"empty\.csv: expected"):
        read_corrections(tmp_path / "empty.csv", LABELS)
