"""What it takes to repeat a result."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np

from mobilevit_tf.reports import run_facts


def test_run_facts_hold_the_exact_command_and_the_versions_without_loading_tensorflow():
    script = (
        "import sys\nfrom mobilevit_tf.reports import run_facts\nimport json\nprint(json.dumps(run_facts.collect()))\n"
        "assert 'tensorflow' not in sys.modules"
    )
    command = [sys.executable, "-c", script, "--data=my photos"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    facts = json.loads(done.stdout)
    assert shlex.split(facts["command"]) == [Path(sys.executable).name, *command[1:]]
    assert facts["versions"]["numpy"] == np.__version__
    assert re.search(r"\d+ cores, \d+ GiB memory", facts["hardware"])
    assert re.fullmatch(r"none|[0-9a-f]{40}(-dirty)?", facts["git_commit"])
    assert run_facts.versions()["python"] == sys.version.split()[0]
