"""Known exports, each by a file as its program writes it: what would be stored, and that the file
is known for what it is.
"""

from pathlib import Path
from typing import Any

import pytest

from services.ingest.inspecting import head_of, inspect
from services.ingest.mapping import Mapping
from services.ingest.presets import preset_of, presets
from shared.errors import Rejected
from tests.ingest.reader import Read, read

FILES = Path(__file__).parent / "presets"
Facts = list[tuple[str, str, str, bool, list[tuple[str | None, int]]]]
STORED: dict[str, Facts] = {
    "odoo": [
        (
            *("S00041", "Acme Pipe", "2026-03-03", False),
            [
                ("[TUB-238] Tubing 2-3/8", 120_000),
                ("[TUB-278] Tubing 2-7/8", 340_000),
                ("[CPL-238] Coupling", 15_000),
            ],
        ),
        ("S00042", "Borealis, Inc.", "2026-03-04", True, [("[CAS-512] Casing", 900_000)]),
        ("S00043", "Acme Pipe", "2026-03-05", True, [("[CAS-512] Casing", 900_000)]),
    ],
    "shopify": [
        (
            *("#1001", "dana@acme.example", "2026-03-03", False),
            [("CPL-238", 14_500), ("TUB-238", 20_000)],
        ),
        ("#1002", "li@other.example", "2026-03-05", True, [("CAP-1", 900)]),
    ],
    "woocommerce": [
        ("1001", "Dana Hill", "2026-03-03", False, [("3× Coupling, 2× Tubing", 123_450)]),
        ("1002", "Li Wei", "2026-03-04", True, [("1× Cap", 9_900)]),
        ("1003", "Li Wei", "2026-03-05", False, [("1× Cap", 8_000)]),
    ],
    "netsuite": [
        (
            *("SO1001", "1001 Acme Pipe", "2026-03-03", False),
            [("TUB-238", 120_000), ("CPL-238", 15_000)],
        ),
        ("SO1002", "1002 Borealis", "2026-03-04", True, [("CAS-512", 900_000)]),
        ("CM77", "1001 Acme Pipe", "2026-03-05", False, [("TUB-238", -12_000)]),
    ],
    "quickbooks": [
        ("1037", "Acme Pipe", "2026-03-03", False, [("TUB-238", 120_000), ("CPL-238", 15_000)]),
        ("1040", "Acme Pipe", "2026-03-09", False, [("TUB-238", -12_000)]),
        ("1038", "Borealis:Yard 2", "2026-03-04", False, [("CAS-512", 900_000)]),
    ],
    "erpnext": [
        (
            *("SAL-ORD-2026-00001", "CUST-0001", "2026-03-03", False),
            [("TUB-238", 120_000), ("CPL-238", 15_000)],
        ),
        ("SAL-ORD-2026-00002", "CUST-0002", "2026-03-04", True, [("CAS-512", 900_000)]),
        ("SAL-ORD-2026-00003", "CUST-0002", "2026-03-05", True, [("CAS-512", 900_000)]),
    ],
    "sap-b1": [
        ("1001", "C20000", "2026-03-03", False, [("TUB-238", 120_000), ("CPL-238", 15_000)]),
        ("1002", "C20001", "2026-03-04", True, [("CAS-512", 900_000)]),
    ],
    "business-central": [
        (
            *("PS-INV103001", "10000", "2026-03-03", False),
            [("TUB-238", 120_000), ("CPL-238", 15_000)],
        ),
        ("PS-INV103002", "20000", "2026-03-04", False, [("CAS-512", 900_000)]),
    ],
    "prophet21": [
        ("1001", "100123", "2026-03-03", False, [("TUB-238", 120_000), ("CPL-238", 15_000)]),
        ("1002", "100124", "2026-03-04", True, [("CAS-512", 900_000)]),
    ],
}


def facts(found: Read) -> Facts:
    return [
        (
            one.order,
            one.account,
            one.ordered_on.isoformat(),
            one.cancelled,
            [(line.product, line.revenue_cents) for line in one.lines],
        )
        for one in found.stored.values()
    ]


def fitted(name: str) -> Mapping:
    preset = preset_of(name)
    return preset.fitted(head_of(FILES / f"{name}.csv", "orders", preset.wide()).header)


def test_every_preset_has_its_file() -> None:
    assert sorted(STORED) == sorted(presets())
    assert all(preset.note for preset in presets().values())


@pytest.mark.parametrize("name", STORED)
def test_a_known_export_is_read_by_its_preset(name: str) -> None:
    found = read([FILES / f"{name}.csv"], mapping=fitted(name))
    assert facts(found) == STORED[name]
    assert [note for note in found.report.notes() if note.wrong] == []


@pytest.mark.parametrize("name", STORED)
def test_a_known_export_is_imported_by_the_mapping_that_inspect_prints(name: str) -> None:
    found = inspect(FILES / f"{name}.csv")
    assert found.guessed.missing == ()
    assert found.guessed.preset == (None if name == "netsuite" else name), "no name of its own"
    written: dict[str, Any] = found.mapping.as_written()
    assert (
        facts(read([FILES / f"{name}.csv"], mapping=Mapping.model_validate(written)))
        == (STORED[name])
    )


def test_a_preset_says_what_it_looks_for_and_what_there_is() -> None:
    with pytest.raises(Rejected) as caught:
        preset_of("odoo").fitted(["Order Reference", "Customer", "Order Date", "Total"])
    assert [error.field for error in caught.value.errors] == ["revenue"]
    assert "an export of Odoo calls it Order Lines/Subtotal" in caught.value.errors[0].reason
    with pytest.raises(Rejected, match="there is no preset sage: there are odoo, shopify"):
        preset_of("sage")


def test_a_column_with_one_of_our_names_that_means_something_else_is_left_out() -> None:
    header = ["Name", "Email", "Created at", "Lineitem quantity", "Lineitem price", "Discount"]
    columns = preset_of("shopify").fitted(header).columns
    assert columns["Discount"] is None
    assert columns["Lineitem price"] == "unit_price"
