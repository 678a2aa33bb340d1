"""Odoo: Sales, Orders, the list with lines exported (Action, Export).

Names: the labels of `sale.order` and `sale.order.line` in odoo/odoo,
addons/sale/models/sale_order.py and sale_order_line.py (name, partner_id, date_order, user_id,
state; product_id, product_uom_qty, price_subtotal), which an export joins with a slash, and the
technical names of an import-compatible export. An order's own cells stand on its first row alone
(odoo/odoo issue 125520). Quotations do not count until they are orders.
"""

from services.ingest.mapping import Mapping
from services.ingest.presets import Preset

PRESET = Preset(
    name="odoo",
    program="Odoo",
    columns={
        "order": ("Order Reference", "Number", "name", "Order Ref"),
        "account": (
            *("Customer/Reference", "Customer/ID", "Customer/External ID", "Customer"),
            *("partner_id/ref", "partner_id/.id", "partner_id/id", "partner_id"),
        ),
        "account_name": ("Customer", "Customer/Name", "Customer/Display Name", "partner_id/name"),
        "owner": ("Salesperson", "user_id", "user_id/name"),
        "ordered_on": ("Order Date", "date_order", "Creation Date", "create_date"),
        "status": ("Status", "state"),
        "currency": ("Currency", "currency_id"),
        "product": (
            *("Order Lines/Product", "Order Lines/Product/Internal Reference"),
            *("order_line/product_id", "Order Lines/Description", "order_line/name"),
        ),
        "quantity": (
            *("Order Lines/Quantity", "Order Lines/Ordered Quantity"),
            "order_line/product_uom_qty",
        ),
        "revenue": (
            *("Order Lines/Subtotal", "Order Lines/Tax excl.", "Order Lines/Subtotal w/o Tax"),
            "order_line/price_subtotal",
        ),
    },
    rest=Mapping(
        fill_down=True,
        date_format="%Y-%m-%d %H:%M:%S",
        status={
            **dict.fromkeys(("draft", "sent", "quotation", "quotation sent"), "cancelled"),
            **dict.fromkeys(("cancel", "cancelled", "canceled"), "cancelled"),
            "*": "open",
        },
    ),
    note="export order and lines together: Order Reference, Customer, Order Date, Status, "
    "Order Lines/Product, Order Lines/Quantity, Order Lines/Subtotal",
)
