"""`make attack`: every kind of hostile input against the project, seeded; ends with the counts of tried and failed.

    PYTHONPATH=.:tests python -m attack [--seed=N] [--kills=N] [--part=NAME ...]

Each part runs in a process of its own, two at a time. Exit status 1 where anything fell.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from attack import files_parts, kill_parts, web_parts
from attack.tally import Tally, table

KILL_PARTS = {"export kills": kill_parts.export_kills, "training kills": kill_parts.training_kills}
PARTS = {  # the longest first
    **KILL_PARTS,
    "web": web_parts.web,
    "photos": files_parts.photos,
    "models": files_parts.models,
    "signals": web_parts.signals,
    "weights": files_parts.weights,
    "run directories": files_parts.run_dirs,
}
AT_ONCE = 2


def _alone(part: str, seed: int, kills: int) -> Tally:
    tally = Tally(part)
    if part in KILL_PARTS:
        KILL_PARTS[part](tally, seed, kills)
    else:
        PARTS[part](tally, seed)
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    tally.computing = sum(one.ru_utime + one.ru_stime for one in usage)
    return tally


def _in_process(part: str, seed: int, kills: int) -> tuple[Tally, float]:
    command = [sys.executable, "-m", "attack", f"--seed={seed}", f"--kills={kills}", f"--alone={part}"]
    start = time.monotonic()
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - start
    lines = [line for line in ended.stdout.splitlines() if line.startswith("TALLY ")]
    tally = Tally(**json.loads(lines[-1].removeprefix("TALLY "))) if lines else Tally(part, 1, [ended.stderr[-2000:]])
    took = f"{seconds:.0f} s, {tally.computing:.0f} s of computing"
    print(f"{part}: {tally.tried} tried, {len(tally.failures)} failed, {took}", flush=True)
    return tally, seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--seed", type=int, default=0, help="of every random case")
    parser.add_argument("--kills", type=int, default=kill_parts.KILLS, help="of trainings, and as many of exports")
    parser.add_argument("--part", action="append", choices=PARTS, help="this one alone; repeat it for several")
    parser.add_argument("--alone", choices=PARTS, help=argparse.SUPPRESS)  # what each process is started with
    flags = parser.parse_args()
    if flags.alone:
        print("TALLY " + json.dumps(vars(_alone(flags.alone, flags.seed, flags.kills))))
        return 0
    chosen = [part for part in PARTS if part in (flags.part or PARTS)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        ended = list(pool.map(lambda part: _in_process(part, flags.seed, flags.kills), chosen))
    print(table([tally for tally, _ in ended], {tally.part: seconds for tally, seconds in ended}))
    failed, tried = sum(len(tally.failures) for tally, _ in ended), sum(tally.tried for tally, _ in ended)
    print(f"{tried - failed} passed, {failed} failed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
