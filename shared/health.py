"""/metrics, /healthz and /readyz for the processes that serve nothing else over HTTP.

healthz: the process lives. readyz: it does its work (503 with the reason until then).
"""

import os
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from shared import metrics
from shared.settings import settings

log = structlog.get_logger()


class Readiness:
    """Said by the process, read by /readyz. It is not ready either where something that it needs
    is away, or a partition stands still (`why_standing`).

    remarks: lines for whoever reads /readyz, also where it is ready.
    """

    def __init__(
        self, why_standing: Callable[[], str] = lambda: "", remarks: Callable[[], str] = lambda: ""
    ) -> None:
        self._why_standing, self._remarks = why_standing, remarks
        self._said, self._reason = False, "starting"
        metrics.READY.set_function(lambda: self.ready)

    def set(self, ready: bool, reason: str = "") -> None:
        """`reason` in words for whoever asks why not."""
        self._said, self._reason = ready, reason

    @property
    def ready(self) -> bool:
        """As of now: what stands is asked for each time."""
        return self._said and not self._why_standing()

    @property
    def reason(self) -> str:
        """Why not, in words; empty where it is ready."""
        return self._why_standing() or ("" if self._said else self._reason)

    def answer(self) -> tuple[int, str]:
        """(HTTP status, text) of /readyz."""
        status, text = (200, "ready") if self.ready else (503, self.reason)
        return status, f"{text}\n{self._remarks()}"


def measure_disk(name: str, folder: Path) -> None:
    """Free space and size of the disk that `folder` is on. A folder that is not there (yet) is said
    in the log alone.
    """
    try:
        disk = os.statvfs(folder)
    except OSError as error:
        log.warning("a disk is not measured", disk=name, folder=str(folder), reason=error.strerror)
        return
    metrics.DISK_FREE_BYTES.labels(name).set(disk.f_bavail * disk.f_frsize)
    metrics.DISK_SIZE_BYTES.labels(name).set(disk.f_blocks * disk.f_frsize)


def serve_health(port: int, readiness: Readiness) -> Callable[[], None]:
    """Serve in a thread. Returns what stops it."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/metrics":
                self.answer(200, generate_latest(), CONTENT_TYPE_LATEST)
            elif self.path in ("/healthz", "/livez"):
                self.answer(200, b"ok\n")
            elif self.path == "/readyz":
                status, text = readiness.answer()
                self.answer(status, text.encode())
            else:
                self.answer(404, b"not here: /metrics, /healthz, /readyz\n")

        def answer(
            self, status: int, body: bytes, content_type: str = "text/plain; charset=utf-8"
        ) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Silence: a scrape is no event."""

    server = ThreadingHTTPServer((settings().host, port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
    return server.shutdown
