import pytest

from fmnist_lib.drift.power import power_at, read_power

TEXT = """method,shift,fraction,n,alarms,repeats,rate,low,high
ks-default,none,0.0,100,4,100,0.0400,0.0157,0.0984
ks-default,image_large,1.0,100,99,100,0.9900,0.9455,0.9982
ks-default,image_large,1.0,500,100,100,1.0000,0.9630,1.0000
mmd,image_large,1.0,100,50,100,0.5000,0.4038,0.5962
"""


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "power.csv"
    path.write_text(TEXT)
    return read_power(path)


def test_rows_are_read_with_their_intervals(rows):
    assert rows[1].shift == "image_large"
    assert (rows[1].alarms, rows[1].repeats, rows[1].n) == (99, 100, 100)
    assert rows[1].rate.low == 0.9455


def test_the_largest_studied_size_that_is_no_larger_is_used(rows):
    assert [row.shift for row in power_at(499, rows)] == ["none", "image_large"]
    assert [row.n for row in power_at(500, rows)] == [500]
    assert power_at(99, rows) == ()
    assert [row.method for row in power_at(100, rows, "mmd")] == ["mmd"]


def test_without_a_study_there_are_no_rows(tmp_path):
    assert read_power(tmp_path / "absent.csv") == ()
