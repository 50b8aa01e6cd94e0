from __future__ import annotations

from cards.pages.offline import offline_pages

FONT = '@import"https://fonts.googleapis.com/css2?family=Roboto";'
SCRIPT = "let a = 1;" * 2000
STYLE = FONT + "body { color: black } " * 1000


def card(own):
    return (
        f"<html><head><style>{STYLE}</style></head><body><script>{own}</script>"
        f"<script>{SCRIPT}</script></body></html>"
    )


def test_shared_parts_are_written_once():
    pages, shared = offline_pages({"a": card("one"), "b": card("two")})
    assert sorted(name.rpartition(".")[2] for name in shared) == ["css", "js"]
    script = next(name for name in shared if name.endswith("js"))
    assert shared[script].decode() == SCRIPT
    for page, own in zip(pages.values(), ("one", "two"), strict=True):
        assert SCRIPT not in page
        assert f"<script>{own}</script>" in page
        assert f'<script src="{script}"></script>' in page


def test_a_part_of_one_page_stays_in_it():
    pages, shared = offline_pages({"a": card("one")})
    assert not shared
    assert SCRIPT in pages["a"]


def test_nothing_is_loaded_from_the_network():
    pages, shared = offline_pages({"a": card("one"), "b": card("two")})
    everything = [*pages.values(), *(content.decode() for content in shared.values())]
    assert not any("fonts.googleapis" in part for part in everything)
    assert all("default-src 'none'" in page for page in pages.values())


def test_our_own_pages_keep_their_stricter_policy():
    own = '<html><head><meta http-equiv="Content-Security-Policy" content="default-src"></head>'
    assert offline_pages({"summary": own})[0]["summary"] == own
