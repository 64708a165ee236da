"""Every link has a target, on the site and in the repository, and every page is in the navigation."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.docs.pages import FENCE, PAGES, ROOT, SITE, name_of, prose

LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"")
THEME = re.compile(r"#only-(?:light|dark)$")
"""The end of a picture's address that shows it in one theme of the site only."""
NAVIGATION = (ROOT / "mkdocs.yml").read_text().partition("\nnav:\n")[2].partition("\n\n")[0]


def links(page: Path) -> Iterator[str]:
    text = re.sub(r"`[^`\n]*`", "", prose(page))
    found = (inline or attribute for inline, attribute in LINK.findall(text))
    yield from (THEME.sub("", link) for link in found if "://" not in link)


def anchors(page: Path) -> set[str]:
    """Return the anchors that the site generates from the headings."""
    heads = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text()), re.MULTILINE)
    return {slug(re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", head)) for head in heads}


def slug(heading: str) -> str:
    plain = unicodedata.normalize("NFKD", heading).encode("ascii", "ignore").decode()
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", plain).strip().lower())


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_has_a_target(page: Any) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", SITE, ids=name_of)
def test_no_page_links_outside_the_site(page: Any) -> None:
    assert not [link for link in links(page) if link.startswith(("..", "/"))]


def test_every_page_is_once_in_the_navigation() -> None:
    assert sorted(re.findall(r"(?:- |: )(\S+\.md)$", NAVIGATION, re.MULTILINE)) == [page.name for page in SITE]


def test_every_picture_is_shown_with_an_alternative_text() -> None:
    shown = {link for page in [*SITE, ROOT / "README.md"] for link in links(page)}
    for folder in ("images", "pictures"):
        for picture in (ROOT / "docs" / folder).iterdir():
            assert f"{folder}/{picture.name}" in shown, picture
    assert not [page for page in SITE if "![](" in page.read_text()]


def test_the_generator_is_pinned_separately() -> None:
    lock = (ROOT / "requirements-docs.lock").read_text()
    [pin] = re.findall(r'^docs = \["(.+)"\]$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert pin in lock
    assert pin.partition("==")[0] not in (ROOT / "requirements.lock").read_text()
