"""What the entry scripts print."""

from __future__ import annotations

import logging

import absl.logging


def plain_messages() -> None:
    """This project's messages as plain lines on stderr; those of the libraries from warnings on."""
    absl.logging.set_verbosity(absl.logging.WARNING)
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    for name in ("mobilevit_tf", "quantize"):
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
