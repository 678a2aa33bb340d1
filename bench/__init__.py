"""The project's own benchmark: every figure a ratio of runs side by side, answers checked before
any time is believed.

    workload.py   seeded orders, their blocks, files and lines; the same on every machine
    answers.py    what must come out of them, from DuckDB over the raw lines, and what did
    broker.py     topics of a round: filled, read back, forgotten
    measured_process.py   a process with its CPU seconds and peak memory
    figure.py     a figure: two sides, interleaved rounds, medians, ratio against target
    profile.py    where the time of our side goes: py-spy, one more round
    figures/      what is measured, a module a part of the system
    peers/        what it is measured against; each a program of its own
    report.py     docs/performance.md
    scaling.py    docs/scaling.md, worked out from the same figures

`winback bench --help`, or `make bench`. Needs a checkout: an installed wheel does not carry it.
"""
