from __future__ import annotations

from cards.parts.components import details, frame, table


def test_line_ends_stay_line_ends_and_do_not_end_the_block():
    """An empty line would end a block of HTML in Markdown."""
    cell = "first\n\nthird\r\nfourth"
    for component in (
        table(["message"], [[cell]]),
        details("message", ["message"], [[cell]]),
        frame("page", cell),
    ):
        source = component.render()["source"]
        assert "first&#10;&#10;third&#10;fourth" in source
        assert "\n" not in source.strip()
