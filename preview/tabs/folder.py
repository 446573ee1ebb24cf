"""The Folder tab: many photos or a ZIP, with a table, a histogram, a CSV, and accuracy where folders are classes."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

from preview import gradio_setup  # isort: skip (decides how Gradio is loaded)
import gradio as gr

from mobilevit_tf.errors import UserError
from mobilevit_tf.files import write_atomic
from preview import folders, render, render_folder
from preview.open_models import ModelStore
from preview.tabs.classify import protocol_switch
from preview.uploads import Files

KEPT_CSV_FILES = 20
WELCOME = (
    "Drop many photos, or a ZIP; a ZIP with one folder per class (named like the model's labels) also gives accuracy "
    "and a confusion matrix"
)


def run(
    store: ModelStore, workers: int, paths: list[Path], key: str, protocol: str, progress: gr.Progress
) -> tuple[folders.FolderResult, Path]:
    """Classifies everything in the dropped files; returns the result and its CSV. Raises UserError."""
    model = store.get(key)
    with folders.collect(paths) as entries:
        result = folders.classify_all(
            model,
            entries,
            protocol,
            workers,
            lambda done, whole: progress((done, whole), desc="Classifying", unit="photos"),
        )
    kept = gradio_setup.UPLOADS / "results"
    newest_first = sorted(kept.glob("*"), key=lambda folder: -folder.stat().st_mtime)
    for older in newest_first[KEPT_CSV_FILES - 1 :]:
        shutil.rmtree(older, ignore_errors=True)
    return result, write_atomic(kept / uuid.uuid4().hex / "predictions.csv", result.to_csv().encode())


def add(store: ModelStore, chosen: gr.Dropdown, workers: int) -> None:
    """Builds the tab."""
    dropped = Files(label="Photos or a ZIP", file_count="multiple", elem_id="folder-files", height=160)
    protocol = protocol_switch(visible=True)
    start = gr.Button("Classify all", variant="primary", elem_id="folder-run")
    summary = gr.HTML(apply_default_css=False, value=render.notice(WELCOME, "hint"), elem_id="folder-summary")
    table = gr.Dataframe(
        headers=["photo", "folder's class", "answer", "score", "remark"],
        datatype=["str", "str", "str", "number", "str"],
        type="array",
        interactive=False,
        visible=False,
        max_height=420,
        wrap=True,
        column_widths=["260px", "140px", "140px", "90px", "330px"],
        label="Photos",
        elem_id="folder-table",
    )
    download = gr.DownloadButton("Download as CSV", visible=False, elem_id="folder-csv")

    start.click(
        _shower(store, workers),
        [dropped, chosen, protocol],
        [summary, table, download],
        api_visibility="private",
        show_progress_on=[summary],
        concurrency_limit=2,
    )


def _shower(store: ModelStore, workers: int) -> Callable[..., tuple[object, ...]]:
    def show_folder(
        paths: list[Path],
        key: str,
        view: str,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 (Gradio's way)
    ) -> tuple[object, ...]:
        try:
            result, csv_file = run(store, workers, paths, key, view, progress)
        except UserError as error:
            return render.notice(str(error)), gr.update(visible=False), gr.update(visible=False)
        word = render.rejected(result.none_of_these)
        rows = [
            [row.name, row.truth, row.label, round(row.score, 4), row.error or (word if row.unsure else "")]
            for row in result.rows
        ]
        return (
            render_folder.summary(result),
            gr.update(value=rows, visible=True),
            gr.update(value=str(csv_file), visible=True),
        )

    return show_folder
