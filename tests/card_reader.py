"""Read a card as a person would: its sentences, boxes, tables, pictures and charts."""

from __future__ import annotations

import re
from html.parser import HTMLParser


class Card:
    """The parts of a card, from the components that Metaflow renders."""

    def __init__(self, components):
        self.parts = [component.render() for component in components]
        assert "error" not in {part["type"].lower() for part in self.parts}
        sources = [part["source"].strip() for part in self.parts if part["type"] == "markdown"]
        #: Markdown without our own HTML: the answer first.
        self.sentences = [source for source in sources if not source.startswith("<")]
        self.title = self.sentences[0].removeprefix("# ")
        reader = _Reader()
        for source in sources:
            if source.startswith("<"):
                reader.feed(source)
        self.tables, self.captions, self.folded = reader.tables, reader.captions, reader.folded
        #: Figures at the top by their title: value, note and change.
        self.boxes = {
            part["title"]: " ".join(
                str(part[key]) for key in ("value", "subtitle", "change_indicator") if part.get(key)
            ).replace("\N{NO-BREAK SPACE}", " ")
            for part in self.parts
            if part["type"] == "valueBox"
        }
        self.charts = [part["spec"] for part in self.parts if part["type"] == "vegaChart"]
        cells = [cell for table in self.tables for row in table for cell in row]
        descriptions = [chart["description"] for chart in self.charts]
        #: All text.
        self.text = "\n".join(
            [*self.sentences, *self.boxes, *self.boxes.values(), *cells, *self.captions,
             *self.folded, *descriptions]
        )  # fmt: skip

    def table(self, header):
        """Return the rows of the table whose headers, with " / " between, begin so."""
        found = [table[1:] for table in self.tables if " / ".join(table[0]).startswith(header)]
        assert len(found) == 1, [table[0] for table in self.tables]
        return found[0]


class _Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tables, self.captions, self.folded, self._place = [], [], [], None

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in {"td", "th"}:
            self._place = self.tables[-1][-1]
            self._place.append("")
        elif tag in {"figcaption", "summary"}:
            self._place = self.captions if tag == "figcaption" else self.folded
            self._place.append("")
        elif tag == "img":
            assert attrs["src"].startswith("data:image/png;base64,")
            assert re.search(r"\w", attrs["alt"])

    def handle_endtag(self, tag):
        if tag in {"td", "th", "figcaption", "summary"}:
            self._place = None

    def handle_data(self, data):
        if self._place is not None:
            self._place[-1] += data
