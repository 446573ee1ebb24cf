"""What `--init_from` and `--source` may name instead of a path: published weights on the Hugging Face hub."""

from __future__ import annotations

import dataclasses
import difflib
import re
from pathlib import Path

from mobilevit_tf import catalog
from mobilevit_tf.catalog import IMAGENET, PUBLISHED, Published
from mobilevit_tf.errors import UserError

_REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_OWNERS = tuple(sorted({f"{repository.split('/')[0]}/" for repository in PUBLISHED}))


@dataclasses.dataclass(frozen=True)
class Reference:
    """Published weights that were asked for.

    Attributes:
      repository: a key of `catalog.PUBLISHED`.
      revision: commit, tag or branch; "main" for the newest.
    """

    repository: str
    revision: str = "main"

    @property
    def weights(self) -> Published:
        return PUBLISHED[self.repository]


def find(text: str, variant: str | None) -> Reference | None:
    """The published weights that a flag's value names; None where it is a path.

    A known name is never a path: `./imagenet` is a folder of that name.

    Args:
      text: `imagenet`, OWNER/NAME or OWNER/NAME@REVISION of `catalog.PUBLISHED`; anything else is a path.
      variant: the model that the weights are for; None where any will do.

    Raises:
      UserError: for `imagenet` without a variant or for one that has no published weights, for a revision that cannot
        be one, and for a name that is neither known nor a path that exists.
    """
    if text == IMAGENET:
        return Reference(_of_variant(variant))
    repository, at, revision = text.partition("@")
    if repository in PUBLISHED:
        if at and not _REVISION.fullmatch(revision):
            raise UserError(f"{text}: expected a commit behind the @, such as {repository}@0123456789abcdef")
        return Reference(repository, revision or "main")
    close = difflib.get_close_matches(repository, PUBLISHED, cutoff=0.75)
    if not Path(text).expanduser().exists() and (close or text.startswith(_OWNERS)):
        meant = f", did you mean {' or '.join(close)}" if close else ""
        raise UserError(f"{text} is no path here and no name of weights that are read{meant}: docs/pretrained.md lists "
                        "them")  # fmt: skip
    return None


def _of_variant(variant: str | None) -> str:
    if variant is None:
        raise UserError(f"{IMAGENET} means the published weights of a variant: pass --variant too")
    for repository, weights in PUBLISHED.items():
        if weights.variant == variant:
            return repository
    known = dict.fromkeys(weights.variant for weights in PUBLISHED.values())
    raise UserError(f"no published weights of {catalog.find(variant).title} are read: {IMAGENET} is known for "
                    f"{', '.join(known)}")  # fmt: skip
