"""Does a GPU take a file whole, and what does it answer? `python benchmarks/runtimes/gpu_check.py [--models=xxs,...]`.

LiteRT's WebGPU accelerator compiles for any Vulkan device; `make test-gpu` gives it SwiftShader, which computes on the
CPU. Checked for each file: every operator is on the GPU; scores are near the CPU's (TOLERANCE); the best class is the
CPU's wherever the CPU's two best scores are more than CLEAR apart. An int8 file's bound is wide: the GPU computes it in
float, and random weights magnify what 8 bits round.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from absl import app, flags
from ai_edge_litert.compiled_model import CompiledModel
from ai_edge_litert.hardware_accelerator import HardwareAccelerator
from ai_edge_litert.options import Options

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from runtimes import files
from varied_photos import varied_photos  # beside this folder

from mobilevit_tf import catalog
from mobilevit_tf.evaluation.tflite_model import TFLiteModel
from mobilevit_tf.image import pixels

TOLERANCE = {"float32": 1e-3, "float16": 1e-3, "int8_ptq": 0.1}
CLEAR = 0.04
_FAMILIES = ("mobilevit", "mobilevit_v2")
flags.DEFINE_list("models", None, "Of the catalogue; unset: every MobileViT.")
flags.DEFINE_integer("size", 256, "Input size in pixels.", lower_bound=64)
flags.DEFINE_integer("photos", 3, "How many photos each file judges.", lower_bound=1)
FLAGS = flags.FLAGS


def gpu_scores(path: Path, images: list[np.ndarray]) -> tuple[bool, np.ndarray]:
    """(whether the GPU took every operator, scores [n, N] by it) for the file's input tensors."""
    options = Options(hardware_accelerators=HardwareAccelerator.GPU)
    model = CompiledModel.from_file(str(path), options=options)
    inputs, outputs, scores = model.create_input_buffers(0), model.create_output_buffers(0), []
    for image in images:
        inputs[0].write(np.ascontiguousarray(image))
        model.run_by_index(0, inputs, outputs)
        scores.append(outputs[0].read(files.CLASSES, np.float32).copy())
    return model.is_fully_accelerated(), np.array(scores)


def check(path: Path, mode: str, photos: int) -> str:
    """What is wrong with a file; empty where nothing is. Prints a line of facts."""
    model = TFLiteModel(path)
    images = [pixels.resize(photo, model.spec, "stretch") for photo in varied_photos(photos)]
    tensors = [image if mode == "int8_ptq" else (image / np.float32(255)).astype(np.float32) for image in images]
    cpu = np.array([model.scores(image) for image in images])
    whole, gpu = gpu_scores(path, [tensor[np.newaxis] for tensor in tensors])
    largest, best = float(np.abs(gpu - cpu).max()), np.sort(cpu, 1)[:, -2:]
    clear = best[:, 1] - best[:, 0] > CLEAR
    same = gpu.argmax(1) == cpu.argmax(1)
    print(
        f"{path.stem}: whole {whole}, largest difference {largest:.1e}, same top-1 {same.sum()} of {photos}", flush=True
    )
    if not whole:
        return f"{path.stem}: some operators are not on the GPU"
    if not largest <= TOLERANCE[mode]:
        return f"{path.stem}: scores differ by {largest:.1e}, expected at most {TOLERANCE[mode]}"
    return "" if same[clear].all() else f"{path.stem}: another best class"


def _main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"unexpected argument {argv[1]!r}: settings are given as --flag=value")
    models = FLAGS.models or [name for family in _FAMILIES for name in catalog.of_family(family)]
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        for name in models:
            made = files.export(name, FLAGS.size, tuple(TOLERANCE), Path(folder))
            wrong += [check(path, mode, FLAGS.photos) for mode, path in made.items()]
            for path in made.values():
                path.unlink()
    if any(wrong):
        sys.exit("\n".join(f"error: {line}" for line in wrong if line))


if __name__ == "__main__":
    app.run(_main)
