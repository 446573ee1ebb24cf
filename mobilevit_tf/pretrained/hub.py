"""Published weights from the Hugging Face hub, through its own client: once, into its cache, checked by their hash.

The client reads HF_ENDPOINT, HF_HUB_OFFLINE, HF_HOME, HF_TOKEN and the proxies' variables. What the hub answers is a
stranger's: file names are fixed here, sizes are bounded before and while bytes come in, the commit and the hash must
look like one, and the content is read by `weight_files`, which runs nothing of it.
"""

from __future__ import annotations

import dataclasses
import errno
import os
import re
from pathlib import Path
from typing import Any

from mobilevit_tf import files
from mobilevit_tf.errors import UserError
from mobilevit_tf.pretrained.hub_names import Reference
from mobilevit_tf.progress import ProgressBar

FILES = ("model.safetensors", "pytorch_model.bin")  # the first that a repository has
MAX_BYTES = 256 * 2**20  # the largest that is published has 74 MB
_MOST_RECEIVED = 3  # times its size that a file may take with all that is sent again after a break
_COMMIT, _SHA256 = re.compile(r"[0-9a-f]{40}"), re.compile(r"[0-9a-f]{64}")


@dataclasses.dataclass(frozen=True)
class Fetched:
    """A file of weights in the cache, equal to the hub's.

    Attributes:
      path: where it lies; its name is one of FILES.
      commit: of the repository, 40 hexadecimal digits.
      sha256: of the content.
    """

    path: Path
    commit: str
    sha256: str


def fetch(reference: Reference) -> Fetched:
    """The weights' file, downloaded where the cache does not hold it.

    Raises:
      UserError: no network and nothing in the cache, no such repository or revision, a download that is cut off, too
        large or not what the hub's hash says, a full disk; each with the way by hand.
    """
    hub = _client()
    try:
        return _online(hub, reference)
    except Exception as error:  # whatever the client's HTTP library makes of a strange server
        raise UserError(f"{_reason(hub, reference, error)}; {by_hand(reference)}") from error


def _client() -> Any:
    """The client, loaded where it is needed: it takes half a second."""
    # One way for every file: plain HTTP, whose bytes `_bounded` counts. It is as fast for files of this size.
    os.environ.setdefault("HF_HUB_DISABLE_XET", "1")
    import huggingface_hub
    import huggingface_hub.constants
    import huggingface_hub.errors

    return huggingface_hub


def _online(hub: Any, reference: Reference) -> Fetched:
    """The file as the hub has it now; where it cannot say, what the cache has."""
    try:
        name, about = _ask(hub, reference)
    except Exception:  # no network, a page to log in to instead of the hub, a hub that fails
        kept = _in_cache(hub, reference)
        if kept is None:
            raise
        return kept
    for again in (False, True):  # the second time where the cache's copy was damaged
        path = Path(
            hub.hf_hub_download(
                reference.repository, name, revision=reference.revision, force_download=again,
                tqdm_class=_bounded(about.size),
            )
        )  # fmt: skip
        if path.stat().st_size <= MAX_BYTES and files.sha256(path) == about.etag:
            return Fetched(path, about.commit_hash, about.etag)
    raise UserError(f"{name} of {reference.repository} is not what the hub's SHA-256 says, downloaded twice")


def _ask(hub: Any, reference: Reference) -> tuple[str, Any]:
    """(name, what the hub says of it) of the first file that is there."""
    for name in FILES:
        url = hub.hf_hub_url(reference.repository, name, revision=reference.revision)
        try:
            about = hub.get_hf_file_metadata(url)
        except hub.errors.EntryNotFoundError:
            continue
        commit, wanted = about.commit_hash or "", reference.revision
        if not _COMMIT.fullmatch(commit) or (_COMMIT.fullmatch(wanted) and commit != wanted):
            raise UserError(f"{hub.constants.ENDPOINT} names no commit of {reference.repository}, or another than was "
                            "asked for: is it a hub?")  # fmt: skip
        if not _SHA256.fullmatch(about.etag or "") or about.size is None:
            raise UserError(f"{hub.constants.ENDPOINT} states no size and SHA-256 of {name}: it cannot be checked")
        if about.size > MAX_BYTES:
            raise UserError(f"{name} of {reference.repository} has {about.size / 2**20:.0f} MiB, expected at most "
                            f"{MAX_BYTES // 2**20}")  # fmt: skip
        return name, about
    raise UserError(f"{reference.repository} holds neither {' nor '.join(FILES)}")


def _in_cache(hub: Any, reference: Reference) -> Fetched | None:
    """What an earlier fetch left, checked by the hash that its place in the cache is named by."""
    for name in FILES:
        kept = hub.try_to_load_from_cache(reference.repository, name, revision=reference.revision)
        if not isinstance(kept, str):
            continue
        path = Path(kept)
        expected = path.readlink().name if path.is_symlink() else ""
        if path.stat().st_size > MAX_BYTES or files.sha256(path) != expected:
            raise UserError(f"{path} is damaged: remove it, and run the same command again with a network")
        return Fetched(path, path.parent.name, expected)
    return None


def _bounded(size: int) -> type[ProgressBar]:
    """A progress bar for the client, which ends a download that brings more than it may.

    A hub can send without end, or break off again and again: the client itself would write and retry for ever.
    """

    class Bar(ProgressBar):
        received = 0.0

        def update(self, n: float | None = 1) -> bool | None:
            self.received += max(n or 0, 0)
            if self.received > _MOST_RECEIVED * size:
                raise UserError(f"the download broke off too often, or brought more than the file's {size:,} bytes")
            shown: bool | None = super().update(n)
            return shown

    return Bar


def _reason(hub: Any, reference: Reference, error: Exception) -> str:
    """One sentence for what came in between."""
    repository, endpoint, cache = reference.repository, hub.constants.ENDPOINT, hub.constants.HF_HUB_CACHE
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, hub.errors.GatedRepoError):
        return f"{endpoint} hands out {repository} only to those who accepted its terms: do so there, and set HF_TOKEN"
    if isinstance(error, hub.errors.RevisionNotFoundError):
        return f"{endpoint} has no revision {reference.revision} of {repository}"
    if isinstance(error, hub.errors.RepositoryNotFoundError):
        return f"{endpoint} has no {repository}, or hides it"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk is full: {repository} did not fit into {cache}: free some space, or set HF_HOME elsewhere"
    if hub.constants.HF_HUB_OFFLINE:
        return f"{repository} is not in {cache}, and HF_HUB_OFFLINE is set: unset it once"
    said = " ".join(str(error).split())[:200] or type(error).__name__
    return f"{repository} did not come from {endpoint} ({said}): is there a network, or a proxy?"


def by_hand(reference: Reference) -> str:
    """What to do where the way through the hub does not go."""
    return (f"by hand: save {FILES[0]} (or {FILES[1]}) of https://huggingface.co/{reference.repository}, then python "
            "-m mobilevit_tf.pretrained --source=THAT_FILE --output=RUN and --init_from=RUN")  # fmt: skip
