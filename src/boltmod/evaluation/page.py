"""The parts of an HTML page that opens offline: cards, tables, figures; every text escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from typing import NamedTuple


class Bar(NamedTuple):
    """A table cell that shows a share, 0 to 1, as a bar behind its text."""

    text: str
    share: float


Cell = str | Bar


def page(title: str, body: Iterable[str]) -> str:
    """A whole document: a header, contents, sections.

    Its style sheet follows the reader's light or dark scheme.
    """
    style = files("boltmod.evaluation").joinpath("report.css").read_text(encoding="utf-8")
    parts = list(body)
    sections = re.findall(r'<section id="([^"]+)">\n<h2>(.*?)</h2>', "".join(parts))
    links = " · ".join(f'<a href="#{place}">{title}</a>' for place, title in sections)
    if len(sections) > 1:
        parts.insert(1, f'<nav aria-label="Contents">{links}</nav>\n')
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n"
        f"<body>\n<main>\n{''.join(parts)}</main>\n</body>\n</html>\n"
    )


def header(title: str, kicker: str, *parts: str) -> str:
    """The page's title under a smaller line, and what belongs to it."""
    first = paragraph(kicker, "muted")
    return f"<header>\n{first}<h1>{escape(title)}</h1>\n{''.join(parts)}</header>\n"


def section(title: str, *parts: str) -> str:
    """A heading and what stands under it."""
    place = re.sub(r"\W+", "-", title.lower()).strip("-")
    return f'<section id="{place}">\n<h2>{escape(title)}</h2>\n{"".join(parts)}</section>\n'


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph of plain text."""
    return f'<p class="{kind}">{escape(text)}</p>\n' if kind else f"<p>{escape(text)}</p>\n"


def cards(figures: Iterable[tuple[str, str, str]]) -> str:
    """Headline figures: what it is, its value, a remark."""
    items = (
        f'<div class="card"><dt>{escape(name)}</dt><dd>{escape(value)}</dd>'
        f"<dd>{escape(remark)}</dd></div>\n"
        for name, value, remark in figures
    )
    return f'<dl class="cards">\n{"".join(items)}</dl>\n'


def figures(pictures: Iterable[tuple[str, str]], kind: str = "") -> str:
    """SVG pictures beside each other where there is room, each with its caption.

    Those of the kind `wide` scroll sideways on narrow screens instead of shrinking.
    """
    items = (
        f"<figure>\n{svg}<figcaption>{escape(caption)}</figcaption></figure>\n"
        for svg, caption in pictures
    )
    return f'<div class="{f"figures {kind}".strip()}">\n{"".join(items)}</div>\n'


def table(
    head: Sequence[str], rows: Iterable[Sequence[Cell]], foot: Sequence[str] = (), kind: str = ""
) -> str:
    """A table that scrolls sideways on narrow screens; figures stand to the right."""
    titles = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    lines = "".join(f"<tr>{''.join(map(_cell, row))}</tr>\n" for row in rows)
    last = "".join(map(_cell, foot))
    return (
        f'<div class="scroll"><table class="{kind}">\n'
        + (f"<thead><tr>{titles}</tr></thead>\n" if head else "")
        + f"<tbody>\n{lines}</tbody>\n"
        + (f"<tfoot><tr>{last}</tr></tfoot>\n" if foot else "")
        + "</table></div>\n"
    )


def listing(text: str) -> str:
    """Text as it stands, in a fixed-width face."""
    return f"<pre>{escape(text)}</pre>\n"


def folded(title: str, *parts: str) -> str:
    """What is shown only when asked for."""
    return f"<details><summary>{escape(title)}</summary>\n{''.join(parts)}</details>\n"


def _cell(cell: Cell) -> str:
    if isinstance(cell, Bar):
        share = min(max(cell.share, 0.0), 1.0)
        return f'<td class="bar" style="--share: {share:.1%}">{escape(cell.text)}</td>'
    return f"<td>{escape(cell)}</td>"
