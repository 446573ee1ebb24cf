"""Two workers, two processes on this machine: one run."""

import json
import socket

from support.commands import start

from mobilevit_tf.data.digits import DigitsSource


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_two_workers_end_with_equal_weights_and_read_every_photo_once(tmp_path):
    workers = [f"127.0.0.1:{free_port()}" for _ in range(2)]
    processes = []
    for index in range(2):
        place = json.dumps({"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}})
        processes.append(start("tests/programs/worker.py", str(tmp_path), TF_CONFIG=place))
    outputs = [process.communicate(timeout=600)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], "\n".join(outputs)
    first, second = (json.loads((tmp_path / f"worker-{index}.json").read_text()) for index in range(2))
    assert first["weights"] == second["weights"]
    assert first["val_top1"] == second["val_top1"]
    read = first["read"] + second["read"]
    assert len(read) == len(set(read)) == 1438
    assert set(read) == {example.id for example in DigitsSource(0.2).examples("train")}
    assert (tmp_path / "run" / "metrics.json").exists() and (tmp_path / "run" / "report.html").exists()
    assert abs(len(first["read"]) - len(second["read"])) <= 1
