"""The one rule of what a class may be called, from the first look at the data to every reader of the file."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from mobilevit_tf.errors import UserError
from mobilevit_tf.strict_json import is_text

MAX_LABEL = 1000  # characters; a stranger's file may hold megabytes
_NO_TEXT = ("Cc", "Cs", "Zl", "Zp")  # Unicode categories: controls, halves of characters, line and paragraph ends


def check_labels(labels: Sequence[str], num_classes: int | None = None) -> None:
    """Any text will do, in any script, that can be one line of a UTF-8 file and differs from the others.

    Args:
      labels: class names.
      num_classes: how many are expected; None for as many as there are.

    Raises:
      UserError: naming the label and what is wrong with it.
    """
    if num_classes is not None and len(labels) != num_classes:
        raise UserError(f"{len(labels)} labels for {num_classes} classes: expected one label a class")
    seen: set[str] = set()
    for index, label in enumerate(labels):
        if not is_text(label, MAX_LABEL):
            raise UserError(f"label {index} is no text of at most {MAX_LABEL} characters: give the class a short name")
        if not label.strip():
            raise UserError(f"label {index} is blank: give every class a name")
        if label in seen:
            raise UserError(f"label {label!r} occurs twice: give every class a name of its own")
        if label.startswith("\ufeff") or any(unicodedata.category(letter) in _NO_TEXT for letter in label):
            raise UserError(f"label {label!r} holds a line break, a byte order mark or another character that is no "
                            "text: give the class a name of one line")  # fmt: skip
        seen.add(label)
