"""The errors that a user can mend: one sentence each, printed without a traceback by the entry scripts."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable

INTERRUPTED = 130  # the shells' exit status after Ctrl-C


class UserError(ValueError):
    """What came, what was expected, what to do."""


class BadImage(UserError):
    """A picture that cannot be used; the message is the reason alone, the caller adds the file's name."""


def printable(text: str) -> str:
    """One line for a terminal: control characters and bytes that are not UTF-8 become escapes such as \\x1b."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def shortened(text: str, most: int = 80) -> str:
    """A stranger's text for a sentence: quoted, escaped, never long."""
    return repr(text) if len(text) <= most else f"{text[:most]!r}..."


def _escaped(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # how Python holds a byte of a file's name that is not UTF-8
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()


def describe_os_error(error: OSError) -> str:
    """Turns an OSError into one sentence that names the file and the remedy."""
    name = error.filename or "the output"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk is full while writing {name}: free some space and run the same command again"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"no permission for {name}: choose a path you may write to, or change its permissions"
    return f"{name}: {error.strerror or error}"


def run_cli(main: Callable[[], int | None]) -> None:
    """Runs an entry script: a UserError or OSError becomes one line on stderr and exit status 1, Ctrl-C one and 130."""
    try:
        sys.exit(main() or 0)
    except UserError as error:
        sys.exit(f"error: {printable(str(error))}")
    except OSError as error:
        sys.exit(f"error: {printable(describe_os_error(error))}")
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
