"""The two servers that feed a training run from other machines: `python -m mobilevit_tf.data_service --port=5050`.

With --port alone it is the dispatcher, of which a run has one; with --dispatcher=HOST:PORT a worker. Training takes
`--data_service=grpc://HOST:PORT` then. Workers open the files of the data under the same paths as the trainer.
The protocol knows neither passwords nor encryption, and a worker runs any graph: only in a network that you trust.
"""

from __future__ import annotations

import socket

from absl import app, flags

from mobilevit_tf.errors import UserError, run_cli

flags.DEFINE_integer("port", None, "Port to listen on.", required=True)
flags.DEFINE_string("dispatcher", None, "HOST:PORT of the dispatcher; makes this process a worker.")
flags.DEFINE_string("host", None, "A worker's own name or address, as the trainer reaches it; unset: this machine's.")
flags.DEFINE_integer("worker_timeout", 20, "Of the dispatcher: seconds of silence after which a worker is gone.")

FLAGS = flags.FLAGS


def _main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"unexpected argument {argv[1]!r}: settings are given as --flag=value")
    if FLAGS.dispatcher and not FLAGS.dispatcher.rpartition(":")[2].isdigit():
        raise UserError(f"--dispatcher={FLAGS.dispatcher}, expected HOST:PORT")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("", FLAGS.port))  # a port that is taken is an OSError, not a crash of the server
    from mobilevit_tf import tf_setup  # noqa: F401, I001  before TensorFlow
    import tensorflow as tf

    service = tf.data.experimental.service
    if FLAGS.dispatcher:
        own = f"{FLAGS.host or socket.gethostname()}:{FLAGS.port}"
        config = service.WorkerConfig(FLAGS.dispatcher, worker_address=own, port=FLAGS.port)
        server, role = service.WorkerServer(config), f"worker of {FLAGS.dispatcher}, reached as {own}"
    else:
        timeout = 1000 * FLAGS.worker_timeout
        server = service.DispatchServer(service.DispatcherConfig(port=FLAGS.port, worker_timeout_ms=timeout))
        role = "dispatcher"
    print(f"data service: {role}, listening on port {FLAGS.port}; stop it with Ctrl-C", flush=True)
    server.join()


if __name__ == "__main__":
    run_cli(lambda: app.run(_main))
