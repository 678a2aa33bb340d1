"""SAP Business One: a query over ORDR and RDR1 (or OINV and INV1), Excel or CSV.

Names: the fields in the SDK Help, *Database Tables Reference* (help.sap.com): DocNum, CardCode,
CardName, DocDate, CANCELED, SlpName; LineNum, ItemCode, Dscription, Quantity, LineTotal, and their
descriptions as the query manager titles its columns. LineTotal is in local currency. CANCELED is Y,
N, or C for a document that cancels another.
"""

from services.ingest.mapping import Mapping
from services.ingest.presets import Preset

PRESET = Preset(
    name="sap-b1",
    program="SAP Business One",
    columns={
        "order": ("DocNum", "Document Number", "Document No."),
        "account": ("CardCode", "Customer/Supplier No.", "Customer/Vendor Code", "BP Code"),
        "account_name": ("CardName", "Customer/Supplier Name", "Customer/Vendor Name", "BP Name"),
        "owner": ("SlpName", "Sales Employee Name", "Sales Employee"),
        "ordered_on": ("DocDate", "Posting Date", "TaxDate", "Document Date"),
        "status": ("CANCELED", "Canceled", "Cancelled"),
        "line": ("LineNum", "Row Number"),
        "product": ("ItemCode", "Item No.", "Dscription", "Item/Service Description"),
        "quantity": ("Quantity",),
        "revenue": ("LineTotal", "Row Total", "Total (LC)"),
    },
    rest=Mapping(
        date_format=("%Y%m%d", "%m/%d/%Y", "%m/%d/%y", "%d.%m.%Y", "%d.%m.%y"),
        thousands=",",
        status={"y": "cancelled", "c": "cancelled", "yes": "cancelled", "n": "open", "no": "open"},
    ),
    note="ORDR joined with RDR1 by DocEntry: DocNum, CardCode, CardName, DocDate, CANCELED, "
    "LineNum, ItemCode, Quantity, LineTotal",
)
