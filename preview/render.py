"""Answers -> HTML. Every text from a file or a person is escaped; `data-score` holds every score in full."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from preview import settings
from preview.answers import Answer, Comparison, Where

_TEMPLATE_SIGNS = str.maketrans({"{": "&#123;", "}": "&#125;", "$": "&#36;", "`": "&#96;"})


def escape(text: object) -> str:
    """Text -> HTML text, inert in Gradio's HTML templates too."""
    return html.escape(str(text)).translate(_TEMPLATE_SIGNS)


def notice(text: str, kind: str = "error") -> str:
    """One sentence in a box; `kind` is "error" or "hint"."""
    role = "alert" if kind == "error" else "status"
    return f'<div class="pv-notice pv-{kind}" role="{role}">{escape(_sentence(text))}</div>'


def _sentence(text: str) -> str:
    first_word = text.split(" ", 1)[0]
    if "." not in first_word:  # a file's name keeps its spelling
        text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else text + "."


def percent(value: float) -> str:
    """0.934 -> "93.4 %"."""
    return f"{100 * value:.1f} %"


def _bar(label: str, score: float, best: bool = False) -> str:
    name, full = escape(label), repr(float(score))
    return (
        f'<li class="pv-bar{" pv-best" if best else ""}" data-label="{name}" data-score="{full}" '
        f'title="{name}: {full}">'
        f'<span class="pv-label">{name}</span><span class="pv-value">{percent(score)}</span>'
        f'<span class="pv-track"><span style="width:{100 * float(score):.2f}%"></span></span></li>'
    )


def rejected(none_of_these: bool) -> str:
    """What an answer below a file's threshold is called."""
    return "none of these" if none_of_these else "unsure"


def _headline(answer: Answer) -> str:
    if answer.unsure:
        word = rejected(answer.none_of_these)
        return f'<p class="pv-top pv-unsure">{word} <small>at best {escape(answer.labels[0])}</small></p>'
    return f'<p class="pv-top">{escape(answer.labels[0])}</p>'


def _bars(answer: Answer) -> str:
    pairs = list(zip(answer.labels, answer.scores, strict=True))[: settings.TOP_CLASSES]
    return f'<ol class="pv-bars">{"".join(_bar(*pair, best=not number) for number, pair in enumerate(pairs))}</ol>'


def answer(result: Answer) -> str:
    """Headline, bars of the best classes, the two times."""
    return (
        f'<section class="pv-answer" aria-label="Answer" data-label="{escape(result.labels[0])}" '
        f'data-unsure="{str(result.unsure).lower()}">{_headline(result)}{_bars(result)}'
        '<dl class="pv-times">'
        f"<div><dt>Inference</dt><dd>{result.inference_ms:.2f} ms</dd></div>"
        f"<div><dt>Preprocessing</dt><dd>{result.preprocess_ms:.2f} ms</dd></div></dl></section>"
    )


def seen(result: Answer) -> str:
    """The model's input as a lossless picture, magnified without smoothing."""
    height, width = result.pixels.shape[:2]
    view = "the phone's view: stretched" if result.protocol == "stretch" else "the training protocol: resize and crop"
    return (
        f'<figure class="pv-seen"><img src="{png_uri(result.pixels)}" width="{width}" height="{height}" '
        f'alt="The {width} by {height} pixels that the model saw"><figcaption>What the model saw: '
        f"{width} x {height} pixels ({view})</figcaption></figure>"
    )


def where(result: Where) -> str:
    """What the answer depends on, as a picture beside what the model saw."""
    height, width = result.picture.shape[:2]
    label, points = escape(result.label), f"{100 * max(result.largest, 0):.1f}"
    return (
        f'<figure class="pv-seen" data-largest="{result.largest!r}"><img src="{png_uri(result.picture)}" '
        f'width="{width}" height="{height}" alt="The same pixels in grey, orange where the answer {label} depends on '
        f'them"><figcaption>Where it looks: orange places matter most to the answer {label}. A patch over one of them '
        f"costs it at most {points} points ({result.took_ms:.0f} ms)</figcaption></figure>"
    )


def png_uri(pixels: np.ndarray) -> str:
    """uint8 [height, width, 3] -> a data: address of a PNG with exactly these pixels."""
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(stream, "PNG")
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()


def comparison(result: Comparison) -> str:
    """One card per model, the verdict above."""
    if result.agree:
        verdict = f"All {len(result.answers)} models answer {result.answers[0].labels[0]}."
    else:
        verdict = "The models differ: look at the marked answers."
    cards = []
    for answered, difference in zip(result.answers, result.largest_difference, strict=True):
        differs = answered.labels[0] != result.answers[0].labels[0]
        if answered is result.answers[0]:
            note = "The others are compared with this one."
        elif difference is None:
            note = "Has no class in common with the first model."
        else:
            note = f"Scores differ from the first model's by up to {100 * difference:.2f} points."
        mark = '<span class="pv-mark">differs</span>' if differs else ""
        cards.append(
            f'<article class="pv-card{" pv-differs" if differs else ""}" data-model="{escape(answered.model[1])}">'
            f"<h3>{escape(answered.model[0])}{mark}</h3>{answer(answered)}"
            f"<p class='pv-note'>{escape(note)}</p></article>"
        )
    kind = "agree" if result.agree else "disagree"
    return (
        f'<div class="pv-verdict pv-{kind}" role="status" data-agree="{str(result.agree).lower()}">'
        f"{escape(verdict)}</div>"
        f'<div class="pv-cards">{"".join(cards)}</div>'
        '<p class="pv-note">Inference: the median of five runs on this computer, one model after the other.</p>'
    )


def table(rows: Sequence[tuple[str, object]]) -> str:
    """Two columns, name and value."""
    body = "".join(f"<tr><th scope='row'>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in rows)
    return f'<table class="pv-table">{body}</table>'
