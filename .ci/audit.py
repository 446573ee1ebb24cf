"""`make audit`: requirements.lock against known advisories: those of advisories.toml, and those of the package index.

The index is asked through pip-audit. Where it does not answer (a mirror has the files alone, or no network is there),
that is said, and the list kept here is what was checked.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
LOCK, ADVISORIES = ROOT / "requirements.lock", Path(__file__).with_name("advisories.toml")


def locked() -> dict[str, str]:
    """Version by package."""
    pins = re.findall(r"^([A-Za-z0-9_.-]+)==([^ \\\n]+)", LOCK.read_text(), re.MULTILINE)
    return {canonicalize_name(name): version for name, version in pins}


def listed(versions: dict[str, str]) -> tuple[list[str], list[str]]:
    """(hits, accepted hits) of the list kept here, a sentence each."""
    hits: list[str] = []
    accepted: list[str] = []
    for advisory in tomllib.loads(ADVISORIES.read_text())["advisory"]:
        version = versions.get(canonicalize_name(advisory["package"]))
        if version is not None and version in SpecifierSet(advisory["affected"]):
            line = f"{advisory['package']} {version}: {advisory['id']}: {advisory['about']}"
            reason = advisory.get("accepted")
            (accepted if reason else hits).append(f"{line}; accepted: {reason}" if reason else line)
    return hits, accepted


def asked() -> tuple[list[str], int, str]:
    """(hits, number of packages that the index answered for, why there is no answer at all)."""
    command = [Path(sys.executable).with_name("pip-audit"), "--requirement", LOCK, "--disable-pip", "--require-hashes"]
    ended = subprocess.run([*command, "--format=json", "--progress-spinner=off"], capture_output=True, text=True)
    try:
        packages = json.loads(ended.stdout)["dependencies"]
    except ValueError:
        last = (ended.stderr.strip().splitlines() or ["no reason given"])[-1]
        return [], 0, f"it was not reached ({last[:200]})"
    answered = [package for package in packages if "vulns" in package]
    hits = [f"{one['name']} {one['version']}: {bug['id']}" for one in answered for bug in one["vulns"]]
    return hits, len(answered), "" if answered else "it publishes no advisories"


def main() -> None:
    versions = locked()
    hits, accepted = listed(versions)
    found, answered, silent = asked()
    known = {line.split(": ")[1] for line in accepted}
    hits += [line for line in found if line.split(": ")[1] not in known]
    print("\n".join([f"known: {line}" for line in accepted] + [f"HIT: {line}" for line in hits]))
    print(f"{len(versions)} packages: {len(hits)} open advisories, {len(accepted)} accepted")
    alone = f": {silent}, advisories.toml alone was checked" if silent else ""
    print(f"the package index answered for {answered} of them{alone}")
    sys.exit(1 if hits else 0)


if __name__ == "__main__":
    main()
