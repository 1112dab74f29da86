"""The page stands alone and shows text as text."""

from __future__ import annotations

import base64
import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from ctdiffusion.images.volume import Volume
from ctdiffusion.studies.report.entry import Entry
from ctdiffusion.studies.report.html import Page, report_html
from ctdiffusion.studies.report.table import HEADINGS, rows, text_table

EVIL = "<script>alert('x')</script>\"&"
PICTURE = b"\x89PNG\r\n\x1a\nnot really"


class Elements(HTMLParser):
    """Collects elements with their attributes, and text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def entries() -> list[Entry]:
    volume = Volume(np.zeros((2, 4, 4), np.float32), (1.0, 1.0, 1.0))
    return [
        Entry("FBP", volume, {"psnr": 21.456, "ssim": 0.4, "rmse_hu": 170.0}, {"relative": 0.05, "chi2": 3.0}, 0.5),
        Entry(EVIL, volume, {"psnr": math.inf, "ssim": math.nan}, {"relative": 0.01, "chi2": None}, None, {EVIL: EVIL}),
    ]


def page(entries: list[Entry]) -> str:
    return report_html(
        Page(
            EVIL,
            EVIL,
            {"views": 30, "length": 2.56578947368421, "noise": True, EVIL: EVIL},
            {"weights": EVIL},
            [EVIL, "simulated"],
            EVIL,
        ),
        entries,
        PICTURE,
    )


def test_nothing_is_loaded_from_elsewhere(entries: list[Entry]) -> None:
    elements = Elements(page(entries)).elements
    assert not {"script", "link", "iframe", "object", "embed", "base", "form"} & {tag for tag, _ in elements}
    loads = [value for _, attributes in elements for name, value in attributes.items() if name in ("src", "href")]
    assert len(loads) == 1 and loads[0] is not None and loads[0].startswith("data:image/png;base64,")
    assert base64.b64decode(loads[0].split(",")[1]) == PICTURE
    assert not re.search(r"url\(|@import|\bon\w+=", page(entries).split("base64,")[0])
    policies = [a["content"] for tag, a in elements if tag == "meta" and "content" in a]
    assert policies == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]


def test_text_stays_text(entries: list[Entry]) -> None:
    source = page(entries)
    assert "<script" not in source
    # title element, heading, introduction, label, its heading, its setting twice, settings twice, provenance, note,
    # attribution
    assert Elements(source).text.count(EVIL) == 12


def test_numbers_and_notes_are_there(entries: list[Entry]) -> None:
    text = Elements(page(entries)).text
    for expected in (
        *HEADINGS,
        "21.46",
        "0.4000",
        "170.0",
        "0.0500",
        "3.000",
        "simulated",
        "2.56579",
        "yes",
        "data range 2000 HU",
    ):
        assert expected in text


def test_table_rows(entries: list[Entry]) -> None:
    assert rows(entries)[0] == ("FBP", "21.46", "0.4000", "170.0", "0.0500", "3.000", "0.5")
    assert rows(entries)[1][1:] == ("infinite", "-", "-", "0.0100", "-", "-")
    lines = text_table(entries).splitlines()
    assert len(lines) == 3 and len({len(line) for line in lines}) == 1
