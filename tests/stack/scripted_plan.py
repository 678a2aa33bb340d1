"""A supervisor over small scripts in the place of servers.

python -m tests.stack.scripted_plan HOME [broken-schema] [brief] [taken=PORT]

taken=PORT: where `good` is to listen.

good     answers 200                    slow     the same, and does not drain
parent   the same, with a child         bad      ends at once, saying why
brief    ends soon after it answered for the first time
"""

import random
import sys
from pathlib import Path

from winback.stack import ports, probes, supervisor
from winback.stack.home import Home
from winback.stack.parts import Part, Plan

SERVER = """
import http.server, os, signal, subprocess, sys, threading
if "slow" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if "parent" in sys.argv:
    subprocess.Popen(["sleep", "1000"], start_new_session=True)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        if "brief" in sys.argv:
            threading.Timer(0.2, os._exit, [1]).start()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


TAKEN = next((int(word[6:]) for word in sys.argv if word.startswith("taken=")), None)
SCHEMA = "raise SystemExit('0009_x.sql: syntax error')" if "broken-schema" in sys.argv else ""


def plan(home: Home) -> Plan:
    return Plan(
        infrastructure=[server("good", TAKEN), server("parent")],
        schema=Part(
            name="schema", command=(sys.executable, "-c", SCHEMA), probe=probes.never, url=""
        ),
        services=[
            server("slow"),
            script("bad", "raise SystemExit('it lacks a thing')"),
            *([server("brief")] if "brief" in sys.argv else []),
        ],
        env={},
        ports={},
        postgres_folder=Path("/nonexistent"),
    )


def server(name: str, port: int | None = None) -> Part:
    return script(name, SERVER, port)


def script(name: str, text: str, port: int | None = None) -> Part:
    port = port or next(port for port in random.sample(ports.OTHERS, 50) if ports.is_free(port))
    command = (sys.executable, "-c", text, str(port), name)
    return Part(
        name=name,
        command=command,
        probe=probes.http(port),
        url=f"http://{probes.HOST}:{port}",
        ports=(port,),
        drain_seconds=1,
    )


if __name__ == "__main__":
    sys.exit(supervisor.supervise(Home(Path(sys.argv[1])), plan))
