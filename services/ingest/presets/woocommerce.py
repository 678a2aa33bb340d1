"""WooCommerce: Analytics, Orders, Download; or the extension Customer / Order / Coupon Export, one
row per line item.

Names: woocommerce/woocommerce, src/Admin/API/Reports/Orders/Controller.php, get_export_columns
(Date, Order #, N. Revenue (formatted), Status, Customer, Product(s), Items sold, Coupon(s), N.
Revenue, later Net Sales), and the documented columns of the extension (order_number, order_date,
status, billing_email, item_sku, item_quantity, item_total). As in Analytics itself, orders that are
pending, failed or cancelled do not count.
"""

from services.ingest.mapping import Mapping
from services.ingest.presets import Preset

PRESET = Preset(
    name="woocommerce",
    program="WooCommerce",
    columns={
        "order": ("Order #", "order_number", "order_number_formatted", "order_id"),
        "account": ("billing_email", "customer_email", "Customer"),
        "account_name": ("billing_company", "billing_full_name", "customer_user", "Customer"),
        "ordered_on": ("Date", "order_date", "date"),
        "status": ("Status", "order_status"),
        "currency": ("order_currency",),
        "product": ("item_sku", "item_name", "Product(s)"),
        "quantity": ("item_quantity",),
        "revenue": ("item_total", "Net Sales", "N. Revenue", "N. Revenue (formatted)"),
    },
    rest=Mapping(
        thousands=",",
        date_format=("%Y-%m-%d %H:%M:%S", "%m/%d/%Y %H:%M:%S"),
        status={
            **{
                f"{prefix}{word}": "cancelled"
                for prefix in ("", "wc-")
                for word in ("pending", "failed", "cancelled", "checkout-draft", "trash")
            },
            "pending payment": "cancelled",
            "*": "open",
        },
    ),
    note="Analytics, Orders, Download; with products, the extension's format of one row per item",
)
