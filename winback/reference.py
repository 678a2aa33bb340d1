"""docs/cli.md, mapping.md, metrics.md, http.md and events.md, and schemas/mapping.json, from what
they describe; a test holds them up to date.

python -m winback.reference     write all
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from prometheus_client.metrics import MetricWrapperBase

from services.ingest import headers, mapping
from services.ingest.presets import presets
from shared import metrics
from shared.schemas import as_text
from winback.cli import VERBS, app
from winback.documents import events_page, http_page

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs"

CLI_HEAD = """\
# Command line

One command, `winback`. Every verb has `--help`. Exit codes: 0 done, 1 the answer is bad
(differences, rejects), 2 wrong use, 3 something it needs is not there. Errors are one line on
standard error.

Written by `python -m winback.reference`.
"""

MAPPING_HEAD = """\
# The mapping file

JSON, for `winback import … --map FILE`. Every key may be left out; a key that is wrong is named.
The schema for an editor is [`schemas/mapping.json`](../schemas/mapping.json). What becomes of a row
is in [interfaces](interfaces.md#order-lines-as-a-file). Written by `python -m winback.reference`
from `services/ingest/mapping.py`.

```json
{"columns": {"Invoice no.": "order", "Customer": "account", "Date": "ordered_on", "7": "revenue"},
 "date_format": ["%m/%d/%Y", "excel"], "thousands": ",",
 "status": {"void": "cancelled", "*": "open"}}
```
"""

METRICS_HEAD = """\
# Metrics

Every process serves them at `/metrics`. Alerts on them are in `ops/prometheus/alerts.yml`, what to
do at each in [operations](operations.md#alerts); dashboards are in `ops/grafana/`. Written by
`python -m winback.reference` from `shared/metrics.py`.

| metric | kind | labels |
|---|---|---|
"""


def cli() -> str:
    """Every verb with its commands, arguments, options and example."""
    root: Any = typer.main.get_command(app)
    parts = [CLI_HEAD]
    for verb, (_, line) in VERBS.items():
        parts += [
            f"## {verb}\n\n{line}\n",
            *_commands(f"winback {verb}", root.get_command(None, verb)),
        ]
    return "\n".join(parts)


def _commands(path: str, command: Any) -> Iterator[str]:
    for name, inner in getattr(command, "commands", {}).items():
        yield from _commands(f"{path} {name}", inner)
    if hasattr(command, "commands"):
        return
    shown = [
        param for param in command.params if "completion" not in param.name and param.name != "help"
    ]
    arguments = [_argument(param) for param in shown if param.param_type_name == "argument"]
    text, _, example = (command.help or "").partition("Example: ")
    example = " ".join(example.split())
    yield f"### `{' '.join([path, *arguments])}`\n\n{text.strip()}\n\n    {example}\n"
    options = [param for param in shown if param.param_type_name == "option"]
    if options:
        yield (
            "\n".join(
                f"- `{'`, `'.join(o.opts)}`{' (needed)' if o.required else ''}: {o.help}"
                for o in options
            )
            + "\n"
        )


def _argument(param: Any) -> str:
    name = param.metavar or param.name.upper()
    return name if param.required or name.startswith("[") else f"[{name}]"


def mapping_page() -> str:
    """Every key of a mapping file, and the columns that a file can have."""
    keys = "".join(
        f"| `{name}` | {(field.description or '').replace('|', chr(92) + '|')} |\n"
        for name, field in mapping.Mapping.model_fields.items()
    )
    columns = "".join(
        f"| {kind} | {_quoted(one.required)} | {_quoted(one.optional)} |\n"
        for kind, one in headers.COLUMNS.items()
    )
    known = "".join(
        f"| `{one.name}` | {one.program} | {one.note} |\n" for one in presets().values()
    )
    return (
        f"{MAPPING_HEAD}\n| key | says |\n|---|---|\n{keys}\n## Our columns\n\n"
        "In place of `revenue` there may be `revenue_cents`, or `unit_price` and `quantity`.\n\n"
        f"| of | needed | also |\n|---|---|---|\n{columns}\n## Known exports\n\n"
        "`winback import orders FILE --preset NAME` knows what their columns are called; what is "
        "otherwise, `--map`\nsays beside it.\n\n"
        f"| preset | program | how to export |\n|---|---|---|\n{known}"
    )


def _quoted(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def metrics_page() -> str:
    """A table of all, then what each means and what to do, in the order of `shared/metrics.py`."""
    known = [metric for metric in vars(metrics).values() if isinstance(metric, MetricWrapperBase)]
    return (
        METRICS_HEAD
        + "".join(_row(metric) for metric in known)
        + "".join(_section(metric) for metric in known)
    )


def scraped_name(metric: MetricWrapperBase) -> str:
    """As Prometheus knows it: counters end in _total. A histogram's series end in
    _bucket, _count and _sum.
    """
    about = next(iter(metric.describe()))
    return about.name + ("_total" if about.type == "counter" else "")


def _row(metric: MetricWrapperBase) -> str:
    name, kind = scraped_name(metric), next(iter(metric.describe())).type
    return f"| [`{name}`](#{name}) | {kind} | {', '.join(metric._labelnames) or '–'} |\n"


def _section(metric: MetricWrapperBase) -> str:
    about = metrics.ABOUT[scraped_name(metric)]
    return (
        f"\n## {scraped_name(metric)}\n\n{about.what}\n\n"
        f"- **A spike.** {about.spike}\n- **What to do.** {about.do}\n"
    )


def generated() -> dict[Path, str]:
    """File -> text."""
    return {
        FOLDER / "cli.md": cli(),
        FOLDER / "mapping.md": mapping_page(),
        ROOT / "schemas" / "mapping.json": as_text(dict(mapping.schema())),
        FOLDER / "metrics.md": metrics_page(),
        FOLDER / "http.md": http_page(),
        FOLDER / "events.md": events_page(),
    }


if __name__ == "__main__":
    for path, text in generated().items():
        path.write_text(text, encoding="utf-8")
