"""docs/cli.md and docs/metrics.md, from the commands and the metrics themselves; a test holds them up to date.

python -m winback.reference     write both
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from prometheus_client.metrics import MetricWrapperBase

from shared import metrics
from winback.cli import VERBS, app

FOLDER = Path(__file__).parents[1] / "docs"

CLI_HEAD = """\
# Command line

One command, `winback`. Every verb has `--help`. Exit codes: 0 done, 1 the answer is bad (differences, rejects), 2 wrong use,
3 something it needs is not there. Errors are one line on standard error.

Written by `python -m winback.reference`.
"""

METRICS_HEAD = """\
# Metrics

Every process serves them at `/metrics`. Written by `python -m winback.reference` from `shared/metrics.py`.

| metric | kind | labels | what it is, and what a spike means |
|---|---|---|---|
"""


def cli() -> str:
    """Every verb with its commands, arguments, options and example."""
    root: Any = typer.main.get_command(app)
    parts = [CLI_HEAD]
    for verb, (_, line) in VERBS.items():
        parts += [f"## {verb}\n\n{line}\n", *_commands(f"winback {verb}", root.get_command(None, verb))]
    return "\n".join(parts)


def _commands(path: str, command: Any) -> Iterator[str]:
    for name, inner in getattr(command, "commands", {}).items():
        yield from _commands(f"{path} {name}", inner)
    if hasattr(command, "commands"):
        return
    shown = [param for param in command.params if "completion" not in param.name and param.name != "help"]
    arguments = [_argument(param) for param in shown if param.param_type_name == "argument"]
    text, _, example = (command.help or "").partition("Example: ")
    yield f"### `{' '.join([path, *arguments])}`\n\n{text.strip()}\n\n    {example.strip()}\n"
    options = [param for param in shown if param.param_type_name == "option"]
    if options:
        yield "\n".join(f"- `{'`, `'.join(o.opts)}`{' (needed)' if o.required else ''}: {o.help}" for o in options) + "\n"


def _argument(param: Any) -> str:
    name = param.metavar or param.name.upper()
    return name if param.required or name.startswith("[") else f"[{name}]"


def metrics_table() -> str:
    """A row per metric, in the order of `shared/metrics.py`."""
    return METRICS_HEAD + "".join(f"{_row(metric)}\n" for metric in vars(metrics).values() if isinstance(metric, MetricWrapperBase))


def _row(metric: MetricWrapperBase) -> str:
    about = next(iter(metric.describe()))
    name = about.name + ("_total" if about.type == "counter" else "")
    labels = ", ".join(metric._labelnames)
    return f"| `{name}` | {about.type} | {labels or '–'} | {about.documentation} |"


def generated() -> dict[Path, str]:
    """File -> text."""
    return {FOLDER / "cli.md": cli(), FOLDER / "metrics.md": metrics_table()}


if __name__ == "__main__":
    for path, text in generated().items():
        path.write_text(text, encoding="utf-8")
