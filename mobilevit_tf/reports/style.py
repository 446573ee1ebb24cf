"""The look of the reports: one style sheet, the page around its sections, and its parts. Nothing is fetched."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence

DOTS = ("A dot is as large as the share of the {photos:,} photos that it stands for. Below the dashed line the model "
        "is surer than it should be.")  # fmt: skip

_CSS = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #5b6470; --page: #f6f7f9; --card: #fff; --line: #dfe3e8;
  --accent: #2563eb; --bad: #c2410c; --bar: #3b82f64d; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ee; --soft: #9aa4b2; --page: #0f1216; --card: #181c22;
  --line: #2b323b; --accent: #7aa7ff; --bad: #fb923c; --bar: #3b82f666; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); line-height: 1.5;
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; overflow-wrap: anywhere; }
main { max-width: 72rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .25rem; }
h2 { font-size: 1.15rem; margin: 2.5rem 0 .75rem; }
h3 { font-size: .95rem; margin: 0 0 .5rem; }
p { margin: .5rem 0; }
.soft { color: var(--soft); }
.tiles, .plots, .photos { display: grid; gap: .75rem; }
.tiles { grid-template-columns: repeat(auto-fit, minmax(7.5rem, 1fr)); margin-top: 1.25rem; }
.plots { grid-template-columns: repeat(auto-fit, minmax(min(20rem, 100%), 1fr)); }
.photos { grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: .9rem; margin: 0; }
.tiles b { display: block; font-size: 1.3rem; line-height: 1.3; font-variant-numeric: tabular-nums; }
.tiles span { color: var(--soft); font-size: .85rem; }
svg { display: block; width: 100%; height: auto; }
.matrix { display: grid; gap: 1rem; }
@media (min-width: 48rem) { .matrix { grid-template-columns: 3fr 2fr; } }
.matrix svg { margin: 0 auto; }
.scroll { overflow-x: auto; padding: 0; }
.tall { max-height: 40rem; overflow-y: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: .92rem; }
th, td { padding: .4rem .75rem; text-align: right; border-bottom: 1px solid var(--line); overflow-wrap: normal; }
th:first-child, td:first-child { text-align: left; overflow-wrap: anywhere; min-width: 6rem; }
thead th { position: sticky; top: 0; background: var(--card); color: var(--soft); font-weight: 600; }
tbody tr:last-child > * { border-bottom: 0; }
tbody th { font-weight: 500; }
td.bar { position: relative; min-width: 9rem; }
td.bar i { position: absolute; inset: 15% auto 15% 0; background: var(--bar); border-radius: 0 .25rem .25rem 0; }
td.bar b { position: relative; font-weight: 500; }
table.facts td { text-align: left; overflow-wrap: anywhere; }
table.facts th { color: var(--soft); width: 12rem; vertical-align: top; }
.photos figure { padding: 0; overflow: hidden; }
.photos img { display: block; width: 100%; aspect-ratio: 1; object-fit: contain; background: #8882; }
figcaption { padding: .6rem .75rem; font-size: .85rem; line-height: 1.4; }
figcaption small { color: var(--soft); }
.wrong { color: var(--bad); font-weight: 600; }
.share { display: flex; gap: 2px; height: 1.5rem; margin: 0 0 .5rem; border-radius: .4rem; overflow: hidden; }
.share i { flex-basis: 0; min-width: 3px; background: #3b82f6; }
.share .outside { background: #f97316; }
.share .nothing { display: none; }
.key::before { content: ""; display: inline-block; width: .7rem; height: .7rem; margin-right: .35rem;
  border-radius: .2rem; background: #3b82f6; }
.key.outside::before { background: #f97316; }
.key + .key { margin-left: 1rem; }
pre { overflow-x: auto; white-space: pre-wrap; font-size: .88rem; margin: 0; }
details > summary { cursor: pointer; color: var(--accent); margin: 1rem 0 .5rem; }
@media print { .tall { max-height: none; } .card { break-inside: avoid; } }
"""


def page(title: str, body: str) -> str:
    """A whole HTML document; `title` is text, `body` is HTML."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        # Whatever a class or file is called, the page can run no script and fetch nothing.
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'\">\n"
        f"<title>{html.escape(title)}</title>\n<style>{_CSS}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n"
        "</body>\n</html>\n"
    )


def section(title: str, body: str) -> str:
    """A titled part of the page; `title` is text, `body` is HTML."""
    return f"<section>\n<h2>{html.escape(title)}</h2>\n{body}\n</section>"


def tiles(values: Mapping[str, str]) -> str:
    """The page's first numbers, large, each over what it is; plain texts."""
    cells = (f'<div class="card"><b>{html.escape(value)}</b><span>{html.escape(name)}</span></div>'
             for name, value in values.items())  # fmt: skip
    return f'<div class="tiles">{"".join(cells)}</div>'


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Plain texts, escaped here; the first column is the row's name. Without a head it is one of facts."""
    titles = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in head)
    lines = []
    for first, *others in rows:
        cells = "".join(f"<td>{html.escape(str(cell))}</td>" for cell in others)
        lines.append(f'<tr><th scope="row">{html.escape(str(first))}</th>{cells}</tr>')
    start = f"<table><thead><tr>{titles}</tr></thead>" if head else '<table class="facts">'
    return f'<div class="card scroll tall">{start}<tbody>{"".join(lines)}</tbody></table></div>'


def plots(figures: Iterable[tuple[str, str, str]]) -> str:
    """Figures side by side: (title, SVG, a sentence or "") each; plain texts but for the SVG."""
    cells = []
    for title, svg, told in figures:
        caption = f"<figcaption>{html.escape(told)}</figcaption>" if told else ""
        cells.append(f'<figure class="card"><h3>{html.escape(title)}</h3>{svg}{caption}</figure>')
    return f'<div class="plots">{"".join(cells)}</div>'
