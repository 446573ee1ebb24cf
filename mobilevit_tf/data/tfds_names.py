"""Which TFDS data sets exist and can be had, without TFDS: importing its registry loads TensorFlow for seconds."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import threading
import urllib.error
import urllib.request
from pathlib import Path

from mobilevit_tf.errors import UserError

PROBE_SECONDS = 3

_NOT_A_BUILDER = re.compile(r"(Config|Info\d*)$")


def base_name(name: str) -> str:
    """The part before configuration and version: "emnist" of "emnist/letters:3.1.0"."""
    return re.split(r"[/:]", name, maxsplit=1)[0]


def _snake_case(name: str) -> str:
    """TFDS' rule from a builder's class name to its name: "Food101" -> "food101", "TfFlowers" -> "tf_flowers"."""
    name = re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", name)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower()


def known_names() -> set[str]:
    """Names in the installed TFDS: of every data set in a folder of its own, and of the older classification ones."""
    found = importlib.util.find_spec("tensorflow_datasets")
    if found is None or not found.submodule_search_locations:
        return set()
    package = Path(found.submodule_search_locations[0])
    names = {path.parent.name for path in package.glob("datasets/*/*_dataset_builder.py")}
    names |= {path.parent.name for path in package.glob("image_classification/*/__init__.py")}
    for path in package.glob("image_classification/*.py"):
        if not path.stem.endswith("_test"):
            classes = (node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.ClassDef))
            names |= {_snake_case(name) for name in classes if not _NOT_A_BUILDER.search(name)}
    return names


def default_data_dir() -> Path:
    """Where TFDS prepares data sets when nobody says otherwise."""
    return Path(os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")).expanduser()


def is_on_disk(name: str, data_dir: str | None) -> bool:
    """True where `data_dir` holds a prepared version of the data set."""
    folder = (Path(data_dir).expanduser() if data_dir else default_data_dir()) / base_name(name)
    return any(any(folder.glob(f"{depth}features.json")) for depth in ("*/", "*/*/"))


def is_online() -> bool:
    """Asks TFDS' own bucket, through a proxy where one is set; name lookup has no timeout, hence the thread."""
    answers: list[bool] = []

    def probe() -> None:
        try:
            urllib.request.urlopen("https://storage.googleapis.com", timeout=PROBE_SECONDS).close()
        except urllib.error.HTTPError:
            pass  # it answered
        except OSError:
            return
        answers.append(True)

    thread = threading.Thread(target=probe, daemon=True)
    thread.start()
    thread.join(PROBE_SECONDS)
    return bool(answers)


def require_available(name: str, data_dir: str | None) -> None:
    """Raises UserError where a data set is not prepared and there is no network: TFDS would retry for minutes."""
    if is_on_disk(name, data_dir) or is_online():
        return
    raise UserError(
        f"the TFDS data set {name!r} is not prepared in {data_dir or default_data_dir()} and there is no network to "
        "download it: set --data_dir to where it is prepared, or go online once"
    )
