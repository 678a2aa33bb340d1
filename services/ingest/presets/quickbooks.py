"""QuickBooks, Online and Desktop: the report Sales by Customer Detail, as Excel or CSV.

Names: Online has Customer full name, Date, Transaction type, Num, Product/Service full name,
Memo/Description, Quantity, Sales price, Amount, Balance; Desktop has Type, Date, Num, Memo, Name,
Item, Qty, Sales Price, Amount, Balance (Intuit's help on the report, *Customize columns*). Titles
above, a heading and a total for each customer are passed by. Credit memos are negative.
"""

from services.ingest.mapping import Mapping
from services.ingest.presets import Preset

PRESET = Preset(
    name="quickbooks",
    program="QuickBooks",
    columns={
        "order": ("Num", "No.", "Number", "Invoice No.", "Invoice/Bill #"),
        "account": (
            *("Customer full name", "Customer", "Name", "Source Name", "Customer:Project"),
            "Customer Name",
        ),
        "owner": ("Sales Rep", "Rep"),
        "ordered_on": ("Date", "Transaction date", "Txn Date"),
        "product": (
            *("Product/Service full name", "Product/Service", "Item", "Memo/Description"),
            *("Memo", "Description"),
        ),
        "quantity": ("Quantity", "Qty"),
        "revenue": ("Amount", "Amount line", "Sales Amount"),
    },
    rest=Mapping(thousands=",", date_format="%m/%d/%Y"),
    note="Sales by Customer Detail with the columns Customer (or Name), Date, Num, "
    "Product/Service, Qty and Amount",
)
