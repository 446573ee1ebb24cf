"""What runtimes make of our files: `make runtimes`.

Every `requirements/*.txt` beside this script names a runtime; `make` builds an environment for each. The files are the
shipped model, and MobileViT-XXS and MobileNetV2 at 256 px with random weights, in int8 and float32. Prints, for each
runtime and int8 file: XNNPACK's partitions, what stayed outside, milliseconds and their ratio to float32 in the same
runtime, and the largest difference of a score to the newest runtime's.
"""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from absl import app, flags

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from results_file import write_section
from runtimes import files
from runtimes.rows import row
from varied_photos import varied_photos

from mobilevit_tf.errors import UserError, run_cli
from mobilevit_tf.evaluation.tflite_model import TFLiteModel

HERE = Path(__file__).resolve().parent
SHIPPED, PHOTOS = HERE.parents[1] / "models" / "flowers_xxs_int8.tflite", 50
NEWEST = "ai-edge-litert-2.3.0"
MODELS = {"XXS": "xxs", "MobileNetV2": "mobilenet_v2"}
flags.DEFINE_string("output", None, "Markdown file whose section is written again; unset: only print.")
flags.DEFINE_list("only", None, "Runtimes, such as tensorflow-2.16.1; unset: all.")
flags.DEFINE_integer("size", 256, "Input size of the models with random weights in pixels.", lower_bound=64)
FLAGS = flags.FLAGS


def runtimes() -> list[str]:
    """The names of all runtimes, the newest first."""
    names = [path.stem for path in (HERE / "requirements").glob("*.txt")]
    return sorted(names, key=lambda name: (name != NEWEST, name))


def facts(name: str, photos: Path, paths: list[Path]) -> dict[str, dict]:
    """What `one_runtime.py` says in the environment of a runtime, by file.

    Raises:
      UserError: for an environment that is not there, or a runtime that does not run a file.
    """
    python = HERE.parents[1] / ".venvs" / f"runtime-{name}" / "bin" / "python"
    if not python.exists():
        raise UserError(f"no environment for {name}: `make runtimes` builds it")
    command = [str(python), str(HERE / "one_runtime.py"), str(photos), *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"{name} does not run a file: {done.stderr.strip()[-500:]}")
    found: dict[str, dict] = json.loads(done.stdout.splitlines()[-1])
    return found


def table(names: list[str], folder: Path) -> str:
    """The whole table, in Markdown."""
    made = {title: files.export(model, FLAGS.size, ("int8_ptq", "float32"), folder) for title, model in MODELS.items()}
    paths = [SHIPPED, *(path for one in made.values() for path in one.values())]
    photos = {path.stem: np.stack(varied_photos(PHOTOS, TFLiteModel(path).spec.size)) for path in paths}
    np.savez(folder / "photos.npz", **photos)
    answers = {name: facts(name, folder / "photos.npz", paths) for name in dict.fromkeys((NEWEST, *names))}
    titles = [("shipped flowers XXS", SHIPPED, None)]
    titles += [(f"{title} {FLAGS.size} px", one["int8_ptq"], one["float32"]) for title, one in made.items()]
    lines = ["| runtime | int8 file | partitions | left outside | ms | of float32 | largest difference |",
             "|---|---|---:|---|---:|---:|---:|"]  # fmt: skip
    for name in names:
        for title, path, baseline in titles:
            found = answers[name]
            lines.append(row(name, title, found[str(path)], found.get(str(baseline)), answers[NEWEST][str(path)]))
    return "\n".join(lines)


def _main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"unexpected argument {argv[1]!r}: settings are given as --flag=value")
    unknown = set(FLAGS.only or ()) - set(runtimes())
    if unknown:
        raise UserError(f"no runtime {', '.join(sorted(unknown))}: expected some of {', '.join(runtimes())}")
    with tempfile.TemporaryDirectory() as folder:
        text = table(FLAGS.only or runtimes(), Path(folder))
    print(text)
    if FLAGS.output:
        today = datetime.datetime.now(datetime.UTC).date()
        note = f"{PHOTOS} crops of the examples, one thread, x86_64; differences are to {NEWEST}; {today}."
        write_section(
            FLAGS.output, "runtimes", f"### int8 files in eight runtimes\n\n{text}\n\n{note}\n\n```\nmake runtimes\n```"
        )


if __name__ == "__main__":
    run_cli(lambda: app.run(_main))
