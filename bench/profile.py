"""Where the time of our side goes: py-spy reads its Python processes for one more
round, which is not timed.

py-spy samples every thread of a process a hundred times a second, frames of C, C++ and Rust
included. A sample belongs to the group of the innermost frame that a rule of `GROUPS` knows, else
to `other`; one whose thread only waits in the kernel is left out, so that shares are of CPU.
Threads that Python does not know (librdkafka's, RocksDB's) are not sampled: what they take is the
rest between the process's CPU seconds and its samples. It stops the process for each sample,
milliseconds with the frames of C: that takes no CPU, so shares hold, but time on the wall does not.
How long a process took is therefore noted in the timed rounds (`reading` without a folder).

It reads processes of the same user and needs no more than that. Where the kernel allows only a
parent to read (Yama), each process of a round says that it may be read (`may_be_read`); where
nobody may, `alive` says so in py-spy's own words.
"""

import ctypes
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from winback.stack import processes

PROGRAM = Path(sys.executable).with_name("py-spy")
RATE = 100
START_SECONDS, END_SECONDS = 20.0, 60.0
PR_SET_PTRACER, ANYBODY = 0x59616D61, ctypes.c_ulong(-1)
LEAST_SHARE = 0.015  # smaller groups go into "other"
FUNCTIONS = 3  # named in a group
WHILE_ALIVE = "import time\nuntil = time.monotonic() + 30\nwhile time.monotonic() < until: pass"

WAITS = re.compile(
    r"^(clock_nanosleep|__?nanosleep|epoll_p?wait|_*p?poll|p?select|_*select"
    r"|pthread_cond_\w*wait\w*|_*futex\w*|_*sem_\w*wait\w*"
    r"|accept4?|wait4|waitpid|syscall|select_\w+_impl|select_\w+"
    r"|_queue_SimpleQueue_get\w*|time_sleep|pysleep|take_gil"
    r"|(lock_)?PyThread_acquire_lock\w*|acquire_timed"
    r"|rd_kafka_(consume|q_serve|q_pop)\w*|cnd_timedwait\w*) "
)
PYTHON = re.compile(r"\((.*\.py|<.*>)\)$")
IMPORTS = "<frozen importlib"

GROUPS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, re.compile(pattern))
    for name, pattern in (
        ("garbage collection", r"^gc_collect|^_PyGC"),
        ("hashing", r"hashlib|_sha2|_sha256|^sha256|^EVP_|content_hash"),
        ("RocksDB", r"rocksdict|checkpoint\.py.*RocksPartition|RocksPartition"),
        ("pydantic", r"pydantic"),
        (
            "rows",
            r"^(\w+\.)*(saved|flush|_episode_rows|packed|size_of|_split)\b.*services/detector/",
        ),
        ("decode", r"^(JSONDecoder_|Decoder_|json_decode|mpack_decode)"),
        ("decode", r"^(\w+\.)*(unpacked|_load|_read|_stored_page|_decode)\b.*services/detector/"),
        (
            "JSON",
            r"^(JSONEncoder_|json_encode)|[/ (]json/|_json\.|orjson|services/ingest/encoding\.py",
        ),
        (
            "rules and runs",
            r"^(\w+\.)*(_run|_look_at|_usual_share|_seen|_completed|_stand)\b.*services/detector/|shared/domain/",
        ),
        ("fold", r"services/detector/(partition|accounts|index|organization|pages)\.py"),
        ("checkpoint", r"services/detector/checkpoint\.py"),
        (
            "Kafka client",
            r"aiokafka|confluent_kafka|cimpl|librdkafka|shared/(kafka|consuming)\.py|kafka/",
        ),
        ("Faust", r"faust/|mode/"),
        ("PostgreSQL client", r"psycopg|libpq"),
        ("Polars", r"polars"),
        (
            "mail",
            r"aiosmtplib|smtplib|[/(]email/|shared/outbox/|shared/smtp\.py|shared/mail\.py",
        ),
        ("templates", r"jinja2|css_inline|mjml|markupsafe|services/digest/templates"),
        ("HTTP server", r"fastapi|starlette|uvicorn|httptools|h11|anyio"),
        ("ingest's own", r"services/ingest/"),
        ("signals' own", r"services/signals/"),
        ("digest's own", r"services/digest/"),
        ("event loop", r"asyncio/|uvloop|selectors\.py"),
    )
)


@dataclass(frozen=True, kw_only=True)
class Read:
    """One process, read from `begin` to `end`: its stacks, outermost frame first,
    each with its samples.
    """

    name: str
    seconds: float
    cpu_seconds: float
    stacks: dict[tuple[str, ...], int]


@dataclass
class Recording:
    """py-spy beside one process."""

    spy: subprocess.Popen[str]
    output: Path

    def forget(self) -> None:
        """What was sampled so far does not count."""
        self.end()
        self.output.unlink(missing_ok=True)

    def end(self) -> dict[tuple[str, ...], int]:
        """Its stacks; nothing where py-spy could not read it."""
        if self.spy.poll() is None:
            self.spy.send_signal(signal.SIGINT)
        try:
            self.spy.communicate(timeout=END_SECONDS)
        except subprocess.TimeoutExpired:
            self.spy.kill()
            self.spy.communicate()
        return parsed(self.output.read_text()) if self.output.exists() else {}


@dataclass
class Round:
    """What is known of one round: its processes, and where there is a `folder` for what py-spy
    writes, their stacks.
    """

    folder: Path | None
    reads: list[Read] = field(default_factory=list)
    begun: int = 0


_round: Round | None = None  # the one that runs now; there is one at a time


@contextmanager
def reading(folder: Path | None) -> Iterator[list[Read]]:
    """Read every process that says `begin` meanwhile; without a folder, note what it took alone."""
    global _round
    _round = Round(folder)
    try:
        yield _round.reads
    finally:
        _round = None


def begin(pid: int) -> Recording | None:
    """Returns once the process is sampled; None where no round is read."""
    if _round is None or _round.folder is None:
        return None
    _round.begun += 1
    return _recording(pid, _round.folder / f"profile-{_round.begun}.folded")


def end(recording: Recording | None, *, name: str, seconds: float, cpu_seconds: float) -> None:
    """The work that was recorded is done."""
    stacks = recording.end() if recording is not None else {}
    if _round is not None:
        _round.reads.append(
            Read(name=name, seconds=seconds, cpu_seconds=cpu_seconds, stacks=stacks)
        )


def _recording(pid: int, output: Path) -> Recording:
    command = [
        PROGRAM,
        "record",
        "--pid",
        str(pid),
        "--native",
        "--rate",
        str(RATE),
        "--format",
        "raw",
        "--output",
        output,
    ]
    spy = subprocess.Popen(  # noqa: S603 - commands of the benchmark itself
        list(map(str, command)), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, preexec_fn=processes.die_with_parent,
    )  # fmt: skip
    assert spy.stdout is not None
    spy.stdout.readline()  # that it samples, or why it does not
    return Recording(spy, output)


def alive(folder: Path) -> str | None:
    """None where py-spy can read a process started here; else why not, in a line."""
    if not PROGRAM.exists():
        return f"{PROGRAM.name} is not installed (make setup-dev)"
    with subprocess.Popen([sys.executable, "-c", WHILE_ALIVE], preexec_fn=may_be_read) as child:  # noqa: S603 - as above
        output = folder / "alive.folded"
        recording = _recording(child.pid, output)
        time.sleep(0.3)
        child.kill()
        stacks = recording.end()
    if stacks:
        return None
    done = subprocess.run(  # noqa: S603 - as above
        [PROGRAM, "dump", "--pid", str(os.getpid())], capture_output=True, text=True, check=False
    )
    words = " ".join((done.stderr or "it gave no sample").split())
    return (
        f"py-spy cannot read processes here ({words}); "
        "it needs ptrace of one's own processes (kernel.yama.ptrace_scope 0 or 1)"
    )


def may_be_read() -> None:
    """Of a child before it starts its program: it ends with its parent, and others of the
    same user may read it.
    """
    processes.die_with_parent()
    processes.LIBC.prctl(PR_SET_PTRACER, ANYBODY, 0, 0, 0)


def parsed(raw: str) -> dict[tuple[str, ...], int]:
    """py-spy's raw format: frames joined by `;`, a space, the number of samples.
    Line numbers are dropped.
    """
    found: Counter[tuple[str, ...]] = Counter()
    for line in raw.splitlines():
        stack, _, count = line.rpartition(" ")
        if stack:
            found[tuple(re.sub(r":\d+\)$", ")", frame) for frame in stack.split(";"))] += int(count)
    return dict(found)


def group_of(stack: tuple[str, ...]) -> str:
    """What a sample was spent on."""
    for frame in reversed(stack):
        if PYTHON.search(frame):
            break
        if WAITS.match(frame):
            return "waiting"
    if any(IMPORTS in frame for frame in stack):
        return "imports"
    for frame in reversed(stack):
        for name, rule in GROUPS:
            if rule.search(frame):
                return name
    return "other"


def function_of(stack: tuple[str, ...]) -> str:
    """The innermost function in Python; what C it called counts as its own. Of
    an import, the package.
    """
    if any(IMPORTS in one for one in stack):
        modules = [one for one in stack if one.startswith("<module> (")]
        return (
            f"import {modules[-1].removeprefix('<module> (').split('/')[0].rstrip(')')}"
            if modules
            else "import"
        )
    frame = next((one for one in reversed(stack) if PYTHON.search(one)), stack[-1])
    name, _, place = frame.partition(" (")
    return f"{name} ({place.rstrip(')').rsplit('/', 1)[-1]})" if place else name


def summary(reads: Sequence[Read], timed: Sequence[Read]) -> dict[str, Any]:
    """What the report keeps: groups with their shares of CPU and greatest functions; the processes
    of a timed round.
    """
    groups: Counter[str] = Counter()
    functions: dict[str, Counter[str]] = {}
    for read in reads:
        for stack, count in read.stacks.items():
            name = group_of(stack)
            groups[name] += count
            functions.setdefault(name, Counter())[function_of(stack)] += count
    groups.pop("waiting", None)
    sampled = sum(groups.values())
    cpu = sum(read.cpu_seconds for read in reads)
    unseen = max(0.0, 1 - sampled / RATE / cpu) if cpu else 0.0
    share = (1 - unseen) / max(1, sampled)
    rows = [
        {"group": name, "share": round(count * share, 4), "functions": [
            [function, round(times * share, 4)]
            for function, times in functions[name].most_common(FUNCTIONS)
            if times * share >= LEAST_SHARE
        ]}
        for name, count in groups.most_common()
    ]  # fmt: skip
    if unseen:
        rows.append(
            {"group": "threads that are not Python's", "share": round(unseen, 4), "functions": []}
        )
    told = [row for row in rows if float(str(row["share"])) >= LEAST_SHARE]
    return {
        "groups": sorted(told, key=lambda row: -float(str(row["share"]))),
        "processes": [
            {
                "name": one.name,
                "seconds": round(one.seconds, 2),
                "cpu_seconds": round(one.cpu_seconds, 2),
                "waited": round(max(0.0, 1 - one.cpu_seconds / one.seconds), 3)
                if one.seconds
                else 0.0,
            }
            for one in timed
        ],
    }
