"""Every client of Kafka comes to it by the one place that knows TLS and SASL."""

import ast
from collections.abc import Iterator

import pytest

from tests.repo.tree import CODE, ROOT, modules

CLIENTS = {
    "Producer": "client",
    "Consumer": "client",
    "DeserializingConsumer": "client",
    "SerializingProducer": "client",
    "AdminClient": "client",
    "AIOKafkaProducer": "asyncio_client",
    "AIOKafkaConsumer": "asyncio_client",
    "AIOKafkaAdminClient": "asyncio_client",
    "App": "credentials",
    "CheckpointApp": "credentials",
}
HELPERS = {"_options"}  # what it gives, it begins with the place: tried below


def functions(tree: ast.AST, name: str) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name:
            yield node


def asks(node: ast.AST, function: str) -> bool:
    """Is kafka_access.<function>() called somewhere within?"""
    return any(
        isinstance(found, ast.Call) and ast.unparse(found.func) == f"kafka_access.{function}"
        for found in ast.walk(node)
    )


def strangers(source: str) -> Iterator[int]:
    """The lines of clients that are made past the one place."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        wanted = CLIENTS.get(ast.unparse(node.func).rpartition(".")[2])
        if wanted is None or asks(node, wanted):
            continue
        helpers = {
            ast.unparse(found.func) for found in ast.walk(node) if isinstance(found, ast.Call)
        } & HELPERS
        if not any(asks(made, wanted) for name in helpers for made in functions(tree, name)):
            yield node.lineno


def test_every_client_of_kafka_is_made_with_what_the_one_place_says() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in modules(*CODE)
        for line in strangers(path.read_text())
    ]
    assert found == []


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ('Producer({"bootstrap.servers": settings().kafka})', [1]),
        ("x = 1\nadmin.AdminClient(options)", [2]),
        ("faust.App('detector', broker=broker)", [1]),
        ("AIOKafkaProducer(bootstrap_servers=servers, **kafka_access.client())", [1]),
        ("Consumer(_options(group))\ndef _options(group):\n    return {}", [1]),
        ('Consumer({**kafka_access.client(), "group.id": "x"})', []),
        ("Consumer(_options(1))\ndef _options(g):\n    return {**kafka_access.client()}", []),
    ],
)
def test_a_client_that_is_made_past_it_is_seen(source: str, lines: list[int]) -> None:
    assert list(strangers(source)) == lines
