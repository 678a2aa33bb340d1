"""NetSuite: a saved search of transactions, Export, CSV.

Names: the labels of the default result columns of a Transaction search (Date, Type, Document
Number, Name, Item, Quantity, Amount, Status, Sales Rep), fields of the record browser (Sales
Order). A search shows the transaction's body beside its lines, with the total as its amount:
criteria must say Main Line is false, Tax Line is false, Shipping Line is false (NetSuite Help
Center, *Using Main Line in Transaction Search Criteria*).
"""

from services.ingest.mapping import Mapping
from services.ingest.presets import Preset

PRESET = Preset(
    name="netsuite",
    program="NetSuite",
    columns={
        "order": ("Document Number", "Document Number/ID", "Transaction Number", "Number"),
        "account": ("Customer ID", "Entity ID", "Customer", "Name", "Entity", "Main Name"),
        "account_name": ("Company Name", "Customer Name", "Name", "Main Name"),
        "owner": ("Sales Rep", "Sales Rep : Name"),
        "ordered_on": ("Date", "Transaction Date", "Date Created"),
        "status": ("Status",),
        "currency": ("Currency",),
        "line": ("Line ID", "Line Sequence Number"),
        "product": ("Item", "Item : Name", "Item: Name", "Memo"),
        "quantity": ("Quantity",),
        "revenue": ("Amount (Net)", "Net Amount", "Amount"),
    },
    rest=Mapping(
        thousands=",",
        date_format=("%m/%d/%Y", "%d-%b-%Y"),
        status={
            **{
                f"{prefix}{word}": "cancelled"
                for prefix in ("", "sales order : ", "sales order:", "invoice : ", "invoice:")
                for word in ("cancelled", "canceled", "voided", "rejected", "pending approval")
            },
            "*": "open",
        },
    ),
    note="a saved search with Main Line, Tax Line and Shipping Line all false: with the main line "
    "an order counts twice",
)
