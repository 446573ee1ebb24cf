"""The preview under load: what it answers, what it refuses and how, and what memory it takes.

    PYTHONPATH=.:tests python benchmarks/load/preview_load.py

Every photo is different, and its score is known from the model itself: a lost or mixed-up answer shows. Prints a table
for docs/preview.md.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import datetime
import json
import os
import random
import statistics
import sys
import tempfile
import time
import zipfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
from support.photo_files import photo
from support.preview_server import PreviewServer

from mobilevit_tf.evaluation.tflite_model import TFLiteModel
from mobilevit_tf.reports import run_facts

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "models" / "flowers_xxs_int8.tflite"
PHOTOS, FOLDER, PARALLEL, QUEUED = 200, 5_000, 200, 1_300
CLIENTS, TIMEOUT_S = 8, 1_200


class Load:
    """A running preview, some uploaded photos with their known scores, and counts of what came back."""

    def __init__(self, server: PreviewServer, http: httpx.AsyncClient):
        self.server, self.http = server, http
        self.photos = [photo(seed, 60 + seed % 7, 50 + seed % 5, format="PNG") for seed in range(PHOTOS)]
        model = TFLiteModel(MODEL)
        self.expected = [float(model.classify(data).scores.max()) for data in self.photos]
        self.files: list[dict[str, object]] = []
        self.counts: collections.Counter[str] = collections.Counter()

    async def upload(self, name: str, data: bytes) -> dict[str, object]:
        """What an endpoint takes for a file."""
        answer = await self.http.post("gradio_api/upload", files={"files": (name, data)})
        return {"path": answer.raise_for_status().json()[0], "meta": {"_type": "gradio.FileData"}}

    async def call(self, name: str, *values: object) -> tuple[str, object]:
        """("complete" | "error" | "refused", data) of one endpoint."""
        try:
            joined = await self.http.post(f"gradio_api/call/{name}", json={"data": list(values)})
            if joined.status_code != 200:
                return "refused", f"{joined.status_code} {joined.text[:100]}"
            answer = await self.http.get(f"gradio_api/call/{name}/{joined.json()['event_id']}")
        except httpx.HTTPError as error:
            return "lost", type(error).__name__
        events = [part.split("\n") for part in answer.text.split("\n\n") if part.startswith("event: ")]
        kind = events[-1][0].removeprefix("event: ")
        return kind, json.loads(events[-1][1].removeprefix("data: "))

    async def classify(self, index: int) -> None:
        """One photo; counts a right, wrong or refused answer."""
        kind, data = await self.call("classify", self.files[index], "", "crop")
        if kind == "complete":
            right = data[0]["confidences"][0]["confidence"] == self.expected[index]
            self.counts["right" if right else "WRONG"] += 1
        else:
            self.counts[f"{kind}: {data}"] += 1

    async def folder(self, size: int) -> float:
        """A ZIP of `size` photos; counts the photos, returns the seconds."""
        with tempfile.TemporaryDirectory() as place:
            path = Path(place) / "photos.zip"
            with zipfile.ZipFile(path, "w") as archive:
                for number in range(size):
                    archive.writestr(f"{number}.png", self.photos[number % PHOTOS])
            file = await self.upload("photos.zip", path.read_bytes())
        start = time.monotonic()
        kind, data = await self.call("folder", [file], "", "crop")
        whole = kind == "complete" and (data[0]["photos"], data[0]["failed"]) == (size, 0)
        self.counts["folder right" if whole else f"folder {kind}: {str(data)[:100]}"] += 1
        return time.monotonic() - start

    async def damaged(self) -> None:
        """A photo that is cut off: one sentence must come."""
        file = await self.upload("broken.png", self.photos[0][:100])
        kind, _ = await self.call("classify", file, "", "crop")
        self.counts["damaged, refused" if kind == "error" else f"damaged: {kind}"] += 1

    async def foreign(self) -> None:
        """A request under a foreign name."""
        answer = await self.http.get("", headers={"Host": "evil.example"})
        self.counts["foreign name, refused" if answer.status_code == 403 else f"foreign: {answer.status_code}"] += 1

    def taken(self) -> str:
        """The counts since the last call, as text."""
        text = ", ".join(f"{count} {name}" for name, count in self.counts.most_common())
        self.counts.clear()
        return text


async def _mixed(load: Load, minutes: float) -> list[float]:
    """CLIENTS at once, each with one thing after the other; memory every ten seconds."""
    end, memory = time.monotonic() + 60 * minutes, []

    async def one(number: int) -> None:
        draw = random.Random(number)
        while time.monotonic() < end:
            chance = draw.random()
            if chance < 0.9:
                await load.classify(draw.randrange(PHOTOS))
            elif chance < 0.94:
                await load.folder(20)
            elif chance < 0.97:
                await load.damaged()
            else:
                await load.foreign()

    async def watch() -> None:
        while time.monotonic() < end:
            memory.append(load.server.memory_mb())
            await asyncio.sleep(10)

    await asyncio.gather(watch(), *(one(number) for number in range(CLIENTS)))
    return memory


async def _timed(load: Load, name: str, work: Callable[[], Awaitable[object]]) -> None:
    start = time.monotonic()
    await work()
    print(
        f"| {name} | {load.taken()} | {time.monotonic() - start:.0f} s | {load.server.memory_mb():.0f} MB |", flush=True
    )


async def measure(minutes: float) -> None:
    """Runs all parts and prints a row each."""
    with PreviewServer(sys.executable, f"--model={MODEL}") as server:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)  # no race with a server that closes
        async with httpx.AsyncClient(base_url=server.url, timeout=TIMEOUT_S, limits=limits) as http:
            load = Load(server, http)
            load.files = [await load.upload(f"{number}.png", data) for number, data in enumerate(load.photos)]
            print(f"{run_facts.hardware()}; {datetime.date.today()}, load {os.getloadavg()[0]:.0f}\n")
            print(f"memory before the first photo {server.memory_mb():.0f} MB\n")
            print("| What | Came back | Took | Memory afterwards |\n|---|---|---|---|")
            await _timed(load, "first photo", lambda: load.classify(0))
            await _timed(load, f"{PARALLEL} photos at once",
                         lambda: asyncio.gather(*(load.classify(n % PHOTOS) for n in range(PARALLEL))))  # fmt: skip
            await _timed(load, f"{QUEUED:,} photos at once",
                         lambda: asyncio.gather(*(load.classify(n % PHOTOS) for n in range(QUEUED))))  # fmt: skip
            await _timed(load, f"folder of {FOLDER:,}", lambda: load.folder(FOLDER))
            memory = await _mixed(load, minutes)
            print(f"| {minutes:g} minutes of mixed use by {CLIENTS} | {load.taken()} | | {memory[-1]:.0f} MB |")
            quarter = max(1, len(memory) // 4)
            first, last = (statistics.mean(part) for part in (memory[:quarter], memory[-quarter:]))
            print(f"\nmemory in the first quarter {first:.0f} MB, in the last {last:.0f} MB, most of all "
                  f"{server.peak_memory_mb():.0f} MB")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--minutes", type=float, default=60.0, help="of mixed use (default: 60)")
    asyncio.run(measure(parser.parse_args().minutes))


if __name__ == "__main__":
    main()
