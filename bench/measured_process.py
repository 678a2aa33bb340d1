"""A process of one round: its lines as they come, CPU seconds and peak memory from
/proc, and a gentle end.

CPU is user and system time of the process with its ended children, from `mark` on; memory is the
peak of resident pages, start included.
"""

import os
import re
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from bench import profile
from bench.figure import Measured
from winback.stack import processes

TICKS = os.sysconf("SC_CLK_TCK")
END_SECONDS = 60.0
KEPT_LINES = 2_000


class Failed(RuntimeError):
    """A program of the benchmark did not do what it should: the figure is not worth anything."""


class Watched:
    """Starts at once. Use as a context manager: it is ended at the end, whatever happens."""

    def __init__(
        self, *command: str | Path, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> None:
        self.name = " ".join(str(word) for word in command)[-120:]
        self.started_at = time.monotonic()
        self._lines: list[tuple[float, str]] = []
        self._came = threading.Condition()
        self._cpu_at_mark = 0.0
        self.marked_at = self.started_at
        self.process = subprocess.Popen(  # noqa: S603 - commands of the benchmark itself
            [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True,
            errors="replace", cwd=cwd, env={**os.environ, **(env or {})},
            preexec_fn=profile.may_be_read,
        )  # fmt: skip
        self._recording = profile.begin(self.process.pid)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> "Watched":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._came:
                self._lines.append((time.monotonic(), line.rstrip()))
                del self._lines[:-KEPT_LINES]
                self._came.notify_all()

    def wait_for(self, pattern: str, *, count: int = 1, seconds: float = 120.0) -> list[str]:
        """Until so many lines match. Raises Failed where the process ends before, or time is up."""
        until = time.monotonic() + seconds
        with self._came:
            while True:
                found = [line for _, line in self._lines if re.search(pattern, line)]
                if len(found) >= count:
                    return found
                if self.process.poll() is not None or time.monotonic() > until:
                    raise Failed(f"{self.name}: no {pattern!r}\n{self.said()}")
                self._came.wait(0.2)

    def at(self, pattern: str) -> float:
        """When the first line that matches came, on the monotonic clock."""
        return next(at for at, line in self._lines if re.search(pattern, line))

    def quiet_seconds(self, pattern: str) -> float:
        """Since the last line that matches; 0 where none has come."""
        with self._came:
            came = [at for at, line in self._lines if re.search(pattern, line)]
        return time.monotonic() - came[-1] if came else 0.0

    def said(self) -> str:
        """Its last lines."""
        return "\n".join(line for _, line in self._lines[-30:])

    def mark(self) -> None:
        """The work begins: time and CPU count from here."""
        if self._recording is not None:
            self._recording.forget()
        self._recording = profile.begin(self.process.pid)
        self.marked_at, self._cpu_at_mark = time.monotonic(), self.cpu_seconds()

    def cpu_seconds(self) -> float:
        """Since its start."""
        fields = processes.stat(self.process.pid)
        if fields is None:
            raise Failed(f"{self.name}: is gone\n{self.said()}")
        return sum(int(field) for field in fields[11:15]) / TICKS

    def peak_bytes(self) -> int:
        """The most memory it ever held."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        match = re.search(r"VmHWM:\s+(\d+) kB", status)
        return int(match[1]) * 1024 if match else 0

    def measured(self, units: float, *, note: str = "") -> Measured:
        """The work since `mark` is done now."""
        seconds = time.monotonic() - self.marked_at
        cpu, peak = self.cpu_seconds() - self._cpu_at_mark, self.peak_bytes()
        profile.end(self._recording, name=short(self.name), seconds=seconds, cpu_seconds=cpu)
        self._recording = None
        return Measured(units=units, seconds=seconds, cpu_seconds=cpu, peak_bytes=peak, note=note)

    def end(self, *, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end, wait. Returns its exit code."""
        if self._recording is not None:
            self._recording.forget()
            self._recording = None
        if self.process.poll() is None:
            self.process.send_signal(number)
            try:
                self.process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()
        return self.process.returncode


def run_to_end(command: Sequence[str], *, units: float, env: Mapping[str, str]) -> Measured:
    """A command from its start to its end, whatever it does in between. Raises Failed
    where it does not end well.
    """
    began = time.monotonic()
    with tempfile.TemporaryFile() as output:
        child = subprocess.Popen(  # noqa: S603 - commands of the benchmark itself
            list(command), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            env={**os.environ, **env}, preexec_fn=profile.may_be_read,
        )  # fmt: skip
        recording = profile.begin(child.pid)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.monotonic() - began
        profile.end(
            recording,
            name=short(" ".join(command)),
            seconds=seconds,
            cpu_seconds=usage.ru_utime + usage.ru_stime,
        )
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            output.seek(0)
            raise Failed(
                f"{' '.join(command)[-120:]}: exit {child.returncode}\n"
                f"{output.read()[-2000:].decode(errors='replace')}"
            )
    return Measured(
        units=units,
        seconds=seconds,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        peak_bytes=usage.ru_maxrss * 1024,
    )


def together(measured: Sequence[Measured], units: float, seconds: float) -> Measured:
    """Several processes that did one work side by side."""
    return Measured(
        units=units,
        seconds=seconds,
        cpu_seconds=sum(one.cpu_seconds for one in measured),
        peak_bytes=sum(one.peak_bytes for one in measured),
    )


def short(command: str) -> str:
    """`winback serve detector` of a whole command line."""
    return re.sub(r"^.*-m ", "", command).split(" /")[0]
