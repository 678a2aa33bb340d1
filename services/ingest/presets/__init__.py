"""Known exports: what the columns of a program's order lists are called, and how it writes them.

A preset knows several names for a column, since programs have versions and languages; `fitted`
makes the mapping of one file from it. Each was held against the program's public list of columns,
which its module names.
"""

from collections.abc import Mapping as AnyMapping
from collections.abc import Sequence
from dataclasses import dataclass, field

from services.ingest.headers import COLUMNS, plain_name
from services.ingest.mapping import Mapping
from shared.errors import FieldError, Rejected, printable


@dataclass(frozen=True, kw_only=True)
class Preset:
    """`columns`: ours -> their names, the best first. `rest`: what else a mapping says of it.
    `note`: what a person should do when exporting.
    """

    name: str
    program: str
    columns: AnyMapping[str, Sequence[str]]
    note: str
    rest: Mapping = field(default_factory=Mapping)

    def wide(self) -> Mapping:
        """A mapping with every name that a column may have: for finding the header."""
        names = {name: ours for ours, theirs in self.columns.items() for name in theirs}
        return Mapping.model_validate({"columns": names}).over(self.rest)

    def found(self, header: Sequence[str]) -> dict[str, str]:
        """Their names in this header -> ours."""
        there = {plain_name(name): name.strip() for name in header}
        found: dict[str, str] = {}
        for ours, theirs in self.columns.items():
            for name in theirs:
                own = there.get(plain_name(name))
                if own is not None and own not in found:
                    found[own] = ours
                    break
        return found

    def fitted(self, header: Sequence[str]) -> Mapping:
        """The mapping of a file with these columns. Raises Rejected where one that is needed has
        none of its names.
        """
        found = self.found(header)
        taken = set(found.values())
        needed = list(COLUMNS["orders"].required)
        if {"unit_price", "quantity"} <= taken or "revenue_cents" in taken:
            needed.remove("revenue")
        there = printable(", ".join(name.strip() for name in header)[:300])
        wrong = []
        for ours in (one for one in needed if one not in taken):
            names = " or ".join(self.columns.get(ours) or self.columns["unit_price"])
            reason = f"an export of {self.program} calls it {names}; the file has {there}"
            wrong.append(FieldError(field=ours, reason=reason))
        if wrong:
            raise Rejected(*wrong)
        # a column with one of our names that means something else there
        others: dict[str, str | None] = {
            name.strip(): None
            for name in header
            if plain_name(name) in COLUMNS["orders"].all and name.strip() not in found
        }
        return Mapping.model_validate({"columns": {**found, **others}}).over(self.rest)


def presets() -> dict[str, Preset]:
    """All of them, by name."""
    from services.ingest.presets import (
        business_central,
        erpnext,
        netsuite,
        odoo,
        prophet21,
        quickbooks,
        sap_b1,
        shopify,
        woocommerce,
    )

    modules = (
        *(odoo, shopify, woocommerce, netsuite, quickbooks),
        *(erpnext, sap_b1, business_central, prophet21),
    )
    return {module.PRESET.name: module.PRESET for module in modules}


def preset_of(name: str) -> Preset:
    """The preset of that name. Raises Rejected, with the names that there are."""
    found = presets()
    if name not in found:
        reason = f"there is no preset {printable(name)}: there are {', '.join(found)}"
        raise Rejected(FieldError(field="--preset", reason=reason))
    return found[name]
