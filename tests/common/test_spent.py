from __future__ import annotations

from fmnist_lib.common.spent import Spent


def test_an_early_stop_is_said_in_words():
    assert str(Spent(186, 600, 9, 9, "a found no better pipeline")) == (
        "Stopped after 3.1 of 10 minutes: a found no better pipeline"
    )
    assert str(Spent(186, 600, 9, 9)) == "Search and refit took 186 of 600 seconds"
