"""Opens the desktop preview: a page on this computer that runs exported .tflite files, and only those.

    python demo_app.py                                   the model in the repository
    python demo_app.py --model=a.tflite --model=b.tflite   these files, ready to be compared

It reads everything it knows (labels, input size, normalisation) from the files. No TensorFlow is loaded.
"""

from __future__ import annotations

import argparse
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from mobilevit_tf.errors import UserError, run_cli
from preview import shutdown
from preview.settings import PreviewConfig

SHARE_WARNING = (
    "warning: --share puts the page on the internet through Gradio's tunnel: anybody with the link can send files to "
    "this computer and use its models"
)


def parse(arguments: Sequence[str]) -> PreviewConfig:
    """Flags -> PreviewConfig."""
    default = PreviewConfig()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--model", action="append", type=Path, metavar="PATH", help="a .tflite; repeat it for several")
    parser.add_argument("--port", type=int, help="of the page (default: the first free one from 7860 on)")
    parser.add_argument("--share", action="store_true", help="a public link through Gradio's tunnel (default: off)")
    parser.add_argument(
        "--threads", type=int, default=default.threads, help=f"of one inference (default: {default.threads})"
    )
    flags = parser.parse_args(arguments)
    if flags.port is not None and not 1 <= flags.port <= 65535:
        raise UserError(f"--port={flags.port}, expected a number from 1 to 65535")
    if not 1 <= flags.threads <= 64:
        raise UserError(f"--threads={flags.threads}, expected a number from 1 to 64")
    return PreviewConfig(tuple(flags.model or default.models), flags.port, flags.share, flags.threads)


def check_port(port: int) -> None:
    """Raises UserError where something listens on the port already, before seconds go into loading."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise UserError(f"port {port} is taken: name another one with --port") from error


def main() -> None:
    """Opens the models first, so that a bad file is named before anything else starts; then serves until Ctrl+C."""
    config = parse(sys.argv[1:])
    if config.port:
        check_port(config.port)
    shutdown.on_signals()
    from preview.gradio_setup import UPLOADS
    from preview.open_models import ModelStore

    store = ModelStore(UPLOADS / "models", config.threads, config.workers)
    for path in config.models:
        print(f"model: {store.open(path).title}", flush=True)

    from preview import page as preview_page  # Gradio takes seconds to load

    if config.share:
        print(SHARE_WARNING, file=sys.stderr, flush=True)
    page = preview_page.build(store, config.workers)
    print(f"Open {preview_page.serve(page, config.port, config.share)} in a browser; Ctrl+C ends it.", flush=True)
    page.block_thread()


if __name__ == "__main__":
    run_cli(main)
