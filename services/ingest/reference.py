"""GET /docs: the OpenAPI document as one page that loads nothing, with an example of each body."""

import base64
import hashlib
from typing import Any

from fastapi.responses import HTMLResponse
from jinja2 import Environment, StrictUndefined

from shared.http import HEADERS

EXAMPLES = {
    "/v1/orders": """{"order": "SO-1001", "account": "A-77", "account_name": "Permian Supply",
 "ordered_on": "2026-03-31", "lines": [{"product": "CSG-55", "od": "5 1/2", "grade": "J55",
 "quantity": "120", "revenue": "18250.00"}]}""",
    "/v1/accounts": """{"account": "A-77", "name": "Permian Supply", "owner": "Dana King"}""",
    "/v1/contacts": """{"contact": "C-9", "account": "A-77", "name": "Lee Ortiz",
 "email": "lee@permian.example", "phone": "+1 432 555 0142", "title": "Purchasing manager"}""",
}

STYLE = """
:root { color-scheme: light dark; --line: #e4e4e0; --quiet: #5d6066; --accent: #0b5cad }
@media (prefers-color-scheme: dark) {
  :root { --line: #2e3136; --quiet: #a2a6ad; --accent: #7db7f5 }
}
body { font: 14px/1.5 system-ui, sans-serif; margin: 0 auto; padding: 24px 16px; max-width: 960px }
h1 { font-size: 20px }
h2 { font-size: 16px; margin-top: 32px; border-top: 1px solid var(--line); padding-top: 16px }
a { color: var(--accent) } .quiet { color: var(--quiet) }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: 4px 12px 4px 0; vertical-align: top }
tr { border-bottom: 1px solid var(--line) }
pre { border: 1px solid var(--line); border-radius: 6px; padding: 12px; overflow-x: auto }
"""

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{{ document.info.title }}</title>
<style>{{ style | safe }}</style>
</head>
<body>
<main>
<h1>{{ document.info.title }}</h1>
<p>{{ document.info.description }} The same as OpenAPI:
<a href="/openapi.json">/openapi.json</a></p>
{% for path, operation in operations %}
<section>
<h2><code>POST {{ path }}</code></h2>
<p>{{ operation.summary }}. The body is JSON: one object, a list of them, or
<code>{"{{ operation.tags[0] }}": […]}</code>;
gzip with <code>Content-Encoding: gzip</code>.</p>
<pre>curl -H "Authorization: Bearer wb_…" -H "Content-Type: application/json" --data '
{{ examples[path] }}' https://…{{ path }}</pre>
{% for name, schema in schemas[path] %}
<table>
<caption class="quiet">{{ name }}</caption>
<thead><tr><th scope="col">Field</th><th scope="col">Type</th><th scope="col">What</th></tr></thead>
<tbody>
{% for field, told, required, what in schema %}
<tr><td><code>{{ field }}</code></td>
<td>{{ told }}{{ "" if required else ", may be left out" }}</td><td>{{ what }}</td></tr>
{% endfor %}
</tbody>
</table>
{% endfor %}
<table>
<caption class="quiet">Answers</caption>
<thead><tr><th scope="col">Status</th><th scope="col">When</th></tr></thead>
<tbody>
{% for status, answer in operation.responses.items() %}
<tr><td>{{ status }}</td><td>{{ answer.description }}</td></tr>
{% endfor %}
</tbody>
</table>
</section>
{% endfor %}
</main>
</body>
</html>
"""

_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
_POLICY = HEADERS["Content-Security-Policy"] + f"; style-src 'sha256-{_STYLE_HASH}'"
_template = Environment(
    autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
).from_string(PAGE)
_MODELS = {
    "/v1/orders": ("OrderShape", "LineShape"),
    "/v1/accounts": ("AccountShape",),
    "/v1/contacts": ("ContactShape",),
}


def page(document: dict[str, Any]) -> HTMLResponse:
    """The page of an OpenAPI document as `openapi.describe` makes it."""
    operations = [(path, methods["post"]) for path, methods in document["paths"].items()]
    models = document["components"]["schemas"]
    schemas = {
        path: [(models[name]["description"], _fields(models[name])) for name in _MODELS[path]]
        for path, _ in operations
    }
    values = {
        "document": document,
        "operations": operations,
        "schemas": schemas,
        "examples": EXAMPLES,
        "style": STYLE,
    }
    return HTMLResponse(_template.render(values), headers={"Content-Security-Policy": _POLICY})


def _fields(model: dict[str, Any]) -> list[tuple[str, str, bool, str]]:
    """(name, type, whether it is required, what it is) of each field."""
    required = model.get("required", [])
    return [
        (name, _type(schema), name in required, _what(schema))
        for name, schema in model["properties"].items()
    ]


def _type(schema: dict[str, Any]) -> str:
    kinds = [_type(one) for one in schema.get("anyOf", []) if one.get("type") != "null"]
    return " or ".join(kinds) if kinds else str(schema.get("type", "lines"))


def _what(schema: dict[str, Any]) -> str:
    """Its description, its choices, an example, whichever there is."""
    found = [schema, *schema.get("anyOf", [])]
    said = [one["description"] for one in found if "description" in one]
    said += [f"one of {', '.join(one['enum'])}" for one in found if "enum" in one]
    said += [f"e.g. {', '.join(map(str, one['examples']))}" for one in found if "examples" in one]
    return " · ".join(said)
