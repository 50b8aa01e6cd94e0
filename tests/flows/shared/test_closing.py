from __future__ import annotations

from types import SimpleNamespace

from flows.shared.closing import closing_lines
from fmnist_lib.common.spent import Spent
from tests.run_reports import run_report


def test_a_run_ends_with_its_result_and_the_commands_for_its_cards():
    report = run_report()
    data = SimpleNamespace(
        evaluation=report.evaluation,
        data_version=report.data_version,
        spent=Spent(100.0, 180.0, 10, 10),
        contest=None,
        promotion=SimpleNamespace(promoted=True, reason="passed all 9 gates"),
        bundle_path="bundles/run.zip",
    )
    lines = list(closing_lines(data, "1747"))
    accuracy = "91.31 % (95 % interval 90.74 % to 91.85 %), 10,000 images"
    assert any(line.startswith(f"Test accuracy of the winner: {accuracy}") for line in lines)
    assert "Champion: passed all 9 gates." in lines
    assert "  python flows/train.py card view 1747/publish   # summary" in lines
    assert "  python -m cards page 1747 --out page   # all of them as files" in lines
