"""What a list of class names must be, for whoever writes or reads one."""

from __future__ import annotations

from collections.abc import Sequence

from mobilevit_tf.errors import UserError
from mobilevit_tf.strict_json import is_text

MAX_LABEL = 255  # characters, as many as the name of a folder may have


def check_labels(labels: Sequence[str], num_classes: int) -> None:
    """Refuses what readers trip over: a wrong number, blank or duplicate labels, a line break inside one.

    Raises:
      UserError: naming the label.
    """
    if len(labels) != num_classes:
        raise UserError(f"{len(labels)} labels for {num_classes} classes: expected one label a class")
    seen: set[str] = set()
    for index, label in enumerate(labels):
        if not is_text(label, MAX_LABEL):
            raise UserError(f"label {index} is no text of at most {MAX_LABEL} characters: give the class a short name")
        if not label.strip():
            raise UserError(f"label {index} is blank: give every class a name")
        if label in seen:
            raise UserError(f"label {label!r} occurs twice: give every class a name of its own")
        if len(label.splitlines()) > 1 or label != label.strip("\ufeff\r\n"):
            raise UserError(f"label {label!r} holds a line break or a byte order mark: expected one line of text")
        seen.add(label)
