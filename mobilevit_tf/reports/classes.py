"""The training report's table of classes: worst first, with bars, ROC AUC, and what the data itself calls them."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

import numpy as np
from sklearn.metrics import roc_auc_score

from mobilevit_tf.evaluation.evaluate import NOT_JUDGED, ClassScores, Evaluation

_COLUMNS = ("class", "F1", "precision", "recall", "ROC AUC", "photos")


def roc_auc(evaluation: Evaluation) -> list[float | None]:
    """Area under each class's ROC curve, that class against the rest, in [0, 1]; 0.5 is chance.

    None where it cannot be judged: a class without photos, or one that every photo shows.
    """
    areas: list[float | None] = []
    for index in range(len(evaluation.labels)):
        mine = evaluation.y_true == index
        judged = 0 < np.count_nonzero(mine) < len(mine)
        areas.append(float(roc_auc_score(mine, evaluation.scores[:, index])) if judged else None)
    return areas


def table(evaluation: Evaluation, areas: Sequence[float | None], ids: Mapping[str, str]) -> str:
    """HTML: one row per class, the lowest F1 first, classes that could not be judged last.

    Args:
      evaluation: whose classes.
      areas: of `roc_auc`.
      ids: what the data itself calls a class, by its name.
    """
    pairs = list(zip(evaluation.per_class, areas, strict=True))
    judged = sorted((pair for pair in pairs if pair[0].support), key=lambda pair: pair[0].f1 or 0.0)
    rows = [_row(row, area, ids) for row, area in judged]
    rows += [_not_judged(row, ids) for row, _ in pairs if not row.support]
    head = "".join(f'<th scope="col">{name}</th>' for name in _COLUMNS)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _name(row: ClassScores, ids: Mapping[str, str]) -> str:
    own = f" <small>{html.escape(ids[row.label])}</small>" if row.label in ids else ""
    return f'<th scope="row">{html.escape(row.label)}{own}</th>'


def _row(row: ClassScores, area: float | None, ids: Mapping[str, str]) -> str:
    bar = f'<i style="width:{row.f1:.0%}"></i>'
    numbers = f"<td>{row.precision:.3f}</td><td>{row.recall:.3f}</td><td>{'' if area is None else f'{area:.3f}'}</td>"
    return f'<tr>{_name(row, ids)}<td class="bar">{bar}<b>{row.f1:.3f}</b></td>{numbers}<td>{row.support:,}</td></tr>'


def _not_judged(row: ClassScores, ids: Mapping[str, str]) -> str:
    return f'<tr>{_name(row, ids)}<td class="soft" colspan="4">{NOT_JUDGED}</td><td>0</td></tr>'
