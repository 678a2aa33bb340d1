"""ERPNext: Sales Order (or Sales Invoice), Menu, Export, or the Data Export tool, CSV or Excel.

Names: the labels of the fields of Sales Order and Sales Order Item in frappe/erpnext,
erpnext/selling/doctype/sales_order/sales_order.json and sales_order_item.json; an export writes
those of a child table as `Amount (Items)`. An order's own cells stand on its first row alone.
Drafts do not count until they are submitted.
"""

from services.ingest.mapping import Mapping
from services.ingest.presets import Preset

PRESET = Preset(
    name="erpnext",
    program="ERPNext",
    columns={
        "order": ("ID", "name", "Sales Order", "Invoice"),
        "account": ("Customer", "customer"),
        "account_name": ("Customer Name", "customer_name"),
        "owner": ("Sales Person (Sales Team)", "Sales Person", "Created By"),
        "ordered_on": ("Date", "Posting Date", "transaction_date", "posting_date"),
        "status": ("Status", "status"),
        "currency": ("Currency", "currency"),
        "product": ("Item Code (Items)", "Item Name (Items)", "Item (Items)", "item_code"),
        "quantity": ("Quantity (Items)", "Qty (Items)", "qty"),
        "revenue": ("Net Amount (Items)", "Amount (Items)", "net_amount", "amount"),
    },
    rest=Mapping(
        fill_down=True,
        date_format=("%d-%m-%Y", "%m/%d/%Y", "%d.%m.%Y"),
        status={"draft": "cancelled", "cancelled": "cancelled", "*": "open"},
    ),
    note="export with the table Items: ID, Customer, Date, Status, Item Code, Quantity, Amount",
)
