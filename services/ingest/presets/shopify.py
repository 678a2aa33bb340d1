"""Shopify: Orders, Export, a plain CSV file.

Names: the list in the Shopify Help Center, *Exporting orders* (help.shopify.com, manual,
fulfillment, managing-orders, exporting-orders): Name, Email, Financial Status, …, Lineitem
quantity, Lineitem name, Lineitem price, Lineitem sku, …, Cancelled at, …, Id, …, Lineitem
discount. The file has prices and no line totals: the revenue is price times quantity less the
line's discount. An order's own cells stand on its first row alone, but for Name and Email.
`Cancelled at` holds a time where an order was cancelled.
"""

from services.ingest.mapping import Mapping
from services.ingest.presets import Preset

PRESET = Preset(
    name="shopify",
    program="Shopify",
    columns={
        "order": ("Name",),
        "account": ("Email", "Billing Company", "Billing Name", "Phone"),
        "account_name": ("Billing Company", "Billing Name", "Shipping Name"),
        "owner": ("Employee",),
        "ordered_on": ("Created at", "Paid at"),
        "status": ("Cancelled at",),
        "currency": ("Currency",),
        "product": ("Lineitem sku", "Lineitem name"),
        "quantity": ("Lineitem quantity",),
        "unit_price": ("Lineitem price",),
        "discount": ("Lineitem discount",),
    },
    rest=Mapping(
        fill_down=("account", "account_name", "owner", "ordered_on", "status", "currency"),
        status={"*": "cancelled"},
    ),
    note="export orders as a plain CSV file",
)
