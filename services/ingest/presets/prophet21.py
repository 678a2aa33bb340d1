"""Epicor Prophet 21: a query over p21_view_oe_hdr and p21_view_oe_line (or a portal's grid).

Names: the columns of those views, as in public queries over them: order_no, customer_id,
order_date, salesrep_id or taker, cancel_flag; line_no, item_id, extended_desc, qty_ordered,
unit_price, extended_price and extended_price_home; customer_name of p21_view_customer. Flags are Y
and N.
"""

from services.ingest.mapping import Mapping
from services.ingest.presets import Preset

PRESET = Preset(
    name="prophet21",
    program="Prophet 21",
    columns={
        "order": ("order_no", "Order No", "Order Number", "OrderNum"),
        "account": ("customer_id", "Customer ID"),
        "account_name": ("customer_name", "Customer Name", "ship2_name"),
        "owner": ("salesrep_name", "salesrep_id", "taker", "Taker"),
        "ordered_on": ("order_date", "Order Date", "OrderDate"),
        "status": ("cancel_flag", "delete_flag", "Canceled"),
        "line": ("line_no", "Line No", "OrderLine"),
        "product": ("item_id", "Item ID", "extended_desc", "PartNum"),
        "quantity": ("qty_ordered", "Qty Ordered", "unit_quantity", "OrderQty"),
        "revenue": ("extended_price_home", "extended_price", "Extended Price", "ExtPrice"),
    },
    rest=Mapping(
        date_format=("%m/%d/%Y", "%Y-%m-%d %H:%M:%S"),
        thousands=",",
        status={"y": "cancelled", "n": "open"},
    ),
    note="p21_view_oe_line joined with p21_view_oe_hdr by order_no, without quotes "
    "(projected_order = 'N')",
)
