"""A results file of sections that commands write again, each between two comments that name it."""

from __future__ import annotations

import re
from pathlib import Path

from mobilevit_tf.files import write_atomic


def write_section(path: str | Path, name: str, text: str) -> None:
    """Replaces the section `name` of a Markdown file, or appends it where there is none yet."""
    path = Path(path)
    section = f"<!-- {name} -->\n{text.strip()}\n<!-- end of {name} -->"
    before = path.read_text() if path.exists() else ""
    pattern = re.compile(rf"<!-- {re.escape(name)} -->.*?<!-- end of {re.escape(name)} -->", re.DOTALL)
    after, found = pattern.subn(lambda _: section, before, count=1)
    write_atomic(path, (after if found else f"{before.rstrip()}\n\n{section}\n".lstrip()).encode())
