"""The one place that decides how Gradio is loaded: import this before gradio, everywhere.

Analytics, telemetry and version checks are off: the page works without a network and asks for none. Uploads live in a
folder of this process, which goes when it ends.
"""

from __future__ import annotations

import atexit
import os
import tempfile
from pathlib import Path

from preview import shutdown

UPLOADS = Path(tempfile.mkdtemp(prefix="mobilevit_preview_"))
atexit.register(shutdown.remove, UPLOADS)

os.environ["GRADIO_TEMP_DIR"] = str(UPLOADS)
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"
for _key in ("GRADIO_SERVER_NAME", "GRADIO_SHARE", "GRADIO_ALLOWED_PATHS"):  # loopback is not up to the environment
    os.environ.pop(_key, None)
for _key in ("NO_PROXY", "no_proxy"):  # a proxy of the user's must not stand between the page and itself
    os.environ[_key] = ",".join(filter(None, (os.environ.get(_key), "127.0.0.1", "localhost")))
