"""The Model tab: what a file says of itself, what it is made of, and how it gets onto a phone."""

from __future__ import annotations

import shlex

from preview import gradio_setup  # noqa: F401  # isort: skip (decides how Gradio is loaded)
import gradio as gr

from mobilevit_tf.errors import UserError
from preview import render
from preview.open_models import ModelStore, OpenModel


def facts(model: OpenModel) -> dict[str, str]:
    """Everything there is to know, by name."""
    spec, info = model.spec, model.info
    low, high = spec.range
    labels = ", ".join(model.labels[:12]) + (", ..." if len(model.labels) > 12 else "")
    return {
        "Name": info.name,
        "File": model.path.name,
        "Size": f"{model.size_bytes / 1e6:.2f} MB ({model.size_bytes:,} bytes)",
        "SHA-256 begins": model.key,
        "Variant, mode": f"{info.variant}, {info.mode}",
        "Classes": f"{len(model.labels)}: {labels}",
        f"{render.rejected(info.none_of_these).capitalize()} below": render.percent(info.unsure_below),
        "Input": f"{spec.width} x {spec.height} pixels, {spec.color_order}, {model.input_type}",
        "Resize": f"{spec.resize}, centre crop of {spec.crop_fraction:.4g} of the largest box",
        "Pixel values": f"{low:g} to {high:g}, mean {_numbers(spec.mean)}, std {_numbers(spec.std)}",
        "Operators": ", ".join(f"{count} {name}" for name, count in model.operators.most_common()),
        "XNNPACK partitions": f"{model.partitions} (1 is best)",
        "Temperature": f"{info.temperature:g} (already in the weights)",
        "Weights' licence": info.license,
        "Training started from": info.origin or "not recorded",
        "Training run": info.run_id,
        "Exported by version": info.version,
    }


def _numbers(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def phone_commands(model: OpenModel) -> str:
    """Two ways onto a phone: into the installed app, or an app built around the file."""
    name = shlex.quote(model.path.name)
    return (
        f"# into the demo app that is installed: then choose it with 'Open another model'\n"
        f"adb push {name} /sdcard/Download/\n\n"
        f"# or an app built around it\n"
        f"make apk MODEL={name}\n"
        f"adb install -r android_demo/build/mobilevit-demo.apk"
    )


def _show(store: ModelStore, key: str) -> tuple[object, ...]:
    try:
        model = store.get(key)
    except UserError as error:
        return render.notice(str(error)), gr.update(visible=False), gr.update(visible=False)
    return (
        render.table(list(facts(model).items())),
        gr.update(value=str(model.path), visible=True),
        gr.update(value=phone_commands(model), visible=True),
    )


def add(store: ModelStore, chosen: gr.Dropdown, page: gr.Blocks) -> None:
    """Builds the tab."""
    details = gr.HTML(apply_default_css=False, elem_id="model-facts")
    download = gr.DownloadButton("Download this file", elem_id="model-download")
    commands = gr.Code(
        label="Onto a phone", language="shell", interactive=False, wrap_lines=True, elem_id="model-commands"
    )

    def show_model(key: str) -> tuple[object, ...]:
        for _, open_key in store.choices():  # the schedule that deletes uploads leaves open models alone
            download.keep_in_cache.add(str(store.get(open_key).path))
        return _show(store, key)

    gr.on([page.load, chosen.change], show_model, chosen, [details, download, commands], api_visibility="private")
