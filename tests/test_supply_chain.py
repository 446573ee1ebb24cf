"""What `make install` installs: every package by its hash, nothing but what was asked for, no known hole."""

import importlib.util
import re
import subprocess
import sys

from packaging.utils import canonicalize_name
from support.commands import ROOT

LOCK = (ROOT / "requirements.lock").read_text()


def audit():
    spec = importlib.util.spec_from_file_location("audit", ROOT / ".ci" / "audit.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_locked_package_has_hashes():
    entries = [entry for entry in re.split(r"\n(?=[a-z0-9])", LOCK) if "==" in entry]
    assert len(entries) > 100
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}", entry) for entry in entries)


def test_what_is_asked_for_is_what_is_locked():
    locked = audit().locked()
    asked = re.findall(r"^([A-Za-z0-9_.-]+)==([^ \n]+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert len(asked) > 20
    assert {canonicalize_name(name): version for name, version in asked}.items() <= locked.items()


def test_no_locked_version_has_an_open_advisory_and_an_old_one_would_be_found():
    hits, accepted = audit().listed(audit().locked())
    assert hits == []
    assert all("accepted: " in line for line in accepted)
    hits, _ = audit().listed({"pillow": "12.3.0"})
    assert any("CVE-2026-96643" in line for line in hits)


def test_an_installed_file_that_is_not_the_locked_one_is_refused(tmp_path):
    """pip, given a wheel whose hash the lock does not hold."""
    wheel = tmp_path / "six-1.17.0-py2.py3-none-any.whl"
    wheel.write_bytes(b"not six")
    entry = re.search(r"^six==.*?(?=\n[a-z0-9])", LOCK, re.MULTILINE | re.DOTALL)[0]
    (tmp_path / "lock.txt").write_text(entry + "\n")
    command = [sys.executable, "-m", "pip", "install", "--require-hashes", "--no-deps", "--no-index", "--dry-run"]
    command += [f"--find-links={tmp_path}", "--ignore-installed", "-r", str(tmp_path / "lock.txt")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": "/usr/bin"})
    assert ended.returncode != 0
    assert "DO NOT MATCH THE HASHES" in ended.stderr
