"""Microsoft Dynamics 365 Business Central: Posted Sales Invoice Lines (or Sales Lines), Share, Open
in Excel.

Names: the fields of table "Sales Invoice Line" and "Sales Line" (microsoft.github.io/BCApps,
reference, base-application, Microsoft.Sales.History and Microsoft.Sales.Document): Sell-to Customer
No., Document No., Line No., Type, No., Quantity, Line Amount, Amount, Posting Date. Amount is net
of VAT and of the invoice's discount.
"""

from services.ingest.mapping import Mapping
from services.ingest.presets import Preset

PRESET = Preset(
    name="business-central",
    program="Business Central",
    columns={
        "order": ("Document No.", "documentNo", "Order No."),
        "account": ("Sell-to Customer No.", "sellToCustomerNo", "Bill-to Customer No."),
        "account_name": ("Sell-to Customer Name", "Customer Name", "Bill-to Name"),
        "owner": ("Salesperson Code", "salespersonCode"),
        "ordered_on": ("Posting Date", "postingDate", "Order Date", "Shipment Date"),
        "currency": ("Currency Code",),
        "line": ("Line No.", "lineNo"),
        "product": ("No.", "no", "Description"),
        "quantity": ("Quantity", "quantityBase"),
        "revenue": ("Amount", "Line Amount", "Line Amount Excl. VAT", "Line Amount Excl. Tax"),
    },
    rest=Mapping(
        date_format=("%m/%d/%Y", "%m/%d/%y", "%d.%m.%Y", "%d.%m.%y", "%d-%m-%Y"), thousands=","
    ),
    note="Posted Sales Invoice Lines, filtered to lines with a Type, opened in Excel",
)
