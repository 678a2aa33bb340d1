"""Where the time goes: py-spy's output is read, grouped and shared out as it should; a process of
one's own can be read.
"""

import subprocess
import sys
from pathlib import Path

from bench import profile, report

MAIN = "main (services/detector/__main__.py:20)"
FOLD = f"{MAIN};Partition._fold (services/detector/partition.py:110)"
FLUSH = f"{MAIN};Partition.flush (services/detector/partition.py:80)"
LOAD = f"{MAIN};_find_and_load (<frozen importlib._bootstrap>:1176)"
TAKE = f"{MAIN};take (services/detector/app.py:90)"
SELECT = "run (asyncio/base_events.py:600);select (selectors.py:468)"
RAW = f"""\
{FOLD};dict_lookup (libpython3.11.so.1.0) 40
{FOLD};Account.put (services/detector/accounts.py:120) 10
{FOLD};Account.put (services/detector/accounts.py:125) 10
{FLUSH};mpack_encode (msgspec/_core.so) 20
{LOAD};<module> (faust/app.py:1) 10
{TAKE};JSONDecoder_decode (msgspec/_core.so);json_decode 10
{SELECT};select_epoll_poll_impl (selectmodule.c:639);epoll_wait (libc.so.6) 300
"""


def test_stacks_are_shared_out_by_what_they_are_and_waiting_takes_no_cpu() -> None:
    read = profile.Read(
        name="winback serve detector", seconds=4.0, cpu_seconds=1.0, stacks=profile.parsed(RAW)
    )
    timed = profile.Read(name="winback serve detector", seconds=2.0, cpu_seconds=0.5, stacks={})
    found = profile.summary([read], [timed])
    assert {one["group"]: one["share"] for one in found["groups"]} == {
        "fold": 0.6,
        "rows": 0.2,
        "imports": 0.1,
        "decode": 0.1,
    }
    assert found["groups"][0]["functions"] == [
        ["Partition._fold (partition.py)", 0.4],
        ["Account.put (accounts.py)", 0.2],
    ]
    assert found["groups"][2]["functions"] == [["import faust", 0.1]]
    assert found["processes"] == [
        {"name": "winback serve detector", "seconds": 2.0, "cpu_seconds": 0.5, "waited": 0.75}
    ]


def test_cpu_that_no_python_thread_took_is_told_apart() -> None:
    read = profile.Read(name="it", seconds=4.0, cpu_seconds=2.0, stacks=profile.parsed(RAW))
    assert profile.summary([read], [])["groups"][0] == {
        "group": "threads that are not Python's",
        "share": 0.5,
        "functions": [],
    }


def test_a_process_is_read_wherever_its_user_may_read_it(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, preexec_fn=profile.may_be_read
    ) as child:
        try:
            # the kernel asks the same of who opens this
            Path(f"/proc/{child.pid}/mem").open("rb").close()
            may = True
        except OSError:
            may = False
        child.kill()
    why_not = profile.alive(tmp_path)
    assert (why_not is None) == may, why_not


def test_a_page_tells_where_the_time_goes_of_a_missed_target_alone() -> None:
    read = profile.Read(
        name="winback serve detector", seconds=4.0, cpu_seconds=1.0, stacks=profile.parsed(RAW)
    )
    told = profile.summary([read], [read]) | {"on": "2026-01-01"}
    row = {"title": "Drain", "profile": told}
    lines = report.profiles([row | {"reached": False, "profile": None}, row | {"reached": True}])
    assert lines.count("### Drain\n") == 1
    assert (
        "| 60% | fold | `Partition._fold (partition.py)` 40%, `Account.put (accounts.py)` 20% |"
        in lines
    )
    assert "- `winback serve detector`: 4.0 s, 1.0 of CPU; it waited 75% of the time." in lines
    assert report.profiles([row | {"reached": True}]) == []
