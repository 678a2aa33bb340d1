"""What the columns of a file probably mean, and how it writes days and numbers: by their names in
the languages of people who export orders, and by what stands in them. A guess is something to start
from: whoever takes it sees it as a mapping, with the questions that the file leaves open.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from zoneinfo import ZoneInfo

from services.ingest.amounts import bare_amount, plain_number
from services.ingest.days import file_day
from services.ingest.fields import Wrong, read_cancelled
from services.ingest.headers import COLUMNS, plain_name
from services.ingest.mapping import OF_AN_ORDER, Mapping
from services.ingest.presets import presets
from shared import clock
from shared.domain.identifiers import is_nothing
from shared.domain.money import NotMoney, plain_decimal
from shared.errors import Rejected

MOST_WORDS = 40  # of a status
ENOUGH = 0.9  # of the cells of a column must be what it is said to be
UTC = ZoneInfo("UTC")

# what columns are called where no preset says it: English, German, French, Spanish, Italian,
# Portuguese, Dutch, Polish
_NAMES: dict[str, str] = {
    "order": (
        "order no|order number|order id|order nr|order ref|so number|so no|sales order|invoice|"
        "invoice no|invoice number|invoice nr|document no|document number|doc no|number|nr|no|"
        "auftrag|auftragsnummer|auftragsnr|auftrag nr|bestellung|bestellnummer|bestellnr|"
        "bestellung nr|beleg|belegnummer|belegnr|rechnung|rechnungsnummer|commande|no commande|"
        "numero de commande|facture|numero facture|pedido|numero de pedido|no pedido|factura|"
        "ordine|numero ordine|fattura|encomenda|fatura|bestelling|ordernummer|factuurnummer|"
        "zamowienie|numer zamowienia|faktura|numer faktury"
    ),
    "account": (
        "account no|account number|account id|acct|customer id|customer no|customer number|"
        "customer nr|customer code|cust no|cust id|cust|customer|client id|client no|client|"
        "buyer|kunde|kundennummer|kundennr|kunden nr|kd nr|kdnr|debitor|debitornr|"
        "debitorennummer|code client|numero client|cliente|codigo cliente|numero cliente|"
        "codice cliente|klant|klantnummer|debiteur|kontrahent|klient|numer klienta"
    ),
    "account_name": (
        "account name|customer name|cust name|client name|company|company name|name|kundenname|"
        "firma|name 1|nom client|raison sociale|nombre cliente|razon social|ragione sociale|"
        "nome cliente|klantnaam|bedrijf|nazwa klienta"
    ),
    "owner": (
        "sales rep|salesperson|sales person|rep|account manager|vertreter|verkaeufer|verkaufer|"
        "aussendienst|commercial|vendeur|vendedor|comercial|agente|venditore|verkoper|"
        "handlowiec"
    ),
    "ordered_on": (
        "order date|date ordered|invoice date|document date|posting date|date|day|ordered|"
        "auftragsdatum|bestelldatum|belegdatum|rechnungsdatum|datum|tag|date commande|"
        "date de commande|date facture|fecha|fecha pedido|fecha de pedido|fecha factura|data|"
        "data ordine|data fattura|data pedido|data do pedido|orderdatum|factuurdatum|"
        "data zamowienia|data faktury"
    ),
    "status": "order status|state|stand|etat|statut|estado|stato|situacao|toestand",
    "line": (
        "line no|line number|line nr|pos|position|item no|zeile|posten|ligne|linea|riga|linha|"
        "regel|pozycja"
    ),
    "product": (
        "item|item code|item number|sku|part|part no|part number|article|product code|"
        "product name|description|material|artikel|artikelnummer|artikelnr|bezeichnung|produkt|"
        "produit|reference|articulo|producto|articolo|prodotto|produto|towar|nazwa towaru"
    ),
    "od": "outside diameter|o d|size|dimension|diameter|aussendurchmesser|abmessung|diametre",
    "grade": "steel grade|material grade|guete|gute|stahlsorte|nuance|grado",
    "quantity": (
        "qty|qty ordered|order qty|ordered qty|units|menge|anzahl|stueck|stuck|quantite|qte|"
        "cantidad|cant|quantita|qta|quantidade|aantal|hoeveelheid|ilosc"
    ),
    "revenue": (
        "amount|net amount|line amount|line total|extended price|ext price|extended amount|"
        "total|net total|subtotal|net sales|sales|value|net value|betrag|nettobetrag|umsatz|"
        "nettoumsatz|positionswert|wert|summe|montant|montant ht|total ht|importe|importe neto|"
        "importo|imponibile|valor|valor total|bedrag|nettobedrag|omzet|kwota|wartosc netto|"
        "wartosc"
    ),
    "unit_price": (
        "price|unit price|price each|rate|preis|einzelpreis|stueckpreis|prix unitaire|precio|"
        "precio unitario|prezzo|preco|prijs|cena"
    ),
    "discount": "line discount|discount amount|rabatt|remise|descuento|sconto|desconto|korting",
    "currency": "currency code|waehrung|wahrung|devise|moneda|valuta|moeda|waluta",
    "revision": "version|rev",
}
_NOT_ORDERED = (
    "cancel|cancelled|canceled|cancellation|void|voided|deleted|trash|rejected|refused|declined|"
    "failed|draft|quote|quotation|quotation sent|expired|wc-cancelled|wc-failed|storniert|storno|"
    "annule|annulee|anulado|anulada|cancelado|cancelada|annullato|geannuleerd|anulowane|y|yes|true"
)
_CANCELLED = {"cancelled", "canceled", "voided", "storniert", "annule", "anulado"}
_FORMATS = (
    *("%m/%d/%Y", "%d/%m/%Y", "%m/%d/%y", "%d/%m/%y"),
    *("%d.%m.%Y", "%d.%m.%y", "%d-%m-%Y", "%m-%d-%Y", "%d-%m-%y"),
    *("%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%d %b %Y", "%d-%b-%Y", "%d-%b-%y", "%b %d %Y"),
    *("%b %d, %Y", "%d %B %Y", "%B %d, %Y", "%Y-%m-%d %H:%M:%S"),
)
_MARKS = ((".", None), (".", ","), (",", "."), (",", None), (".", "'"), (",", " "), (".", " "))
_A_CREDIT = re.compile(r"(?i)[0-9.,]\s{0,3}(CR|Cr\.|H)$|^(CR)\s*[0-9]")


def known_cells(cells: Sequence[str]) -> int:
    """How many of these are what somebody calls a column: the row with most of them names the
    columns.
    """
    known = _all_names()
    return sum(_bare(cell) in known for cell in cells)


@cache
def _all_names() -> frozenset[str]:
    names = {_bare(name) for names in _NAMES.values() for name in names.split("|")}
    for columns in COLUMNS.values():
        names |= {_bare(name) for name in columns.all}
    for preset in presets().values():
        names |= {_bare(name) for theirs in preset.columns.values() for name in theirs}
    return frozenset(names)


@dataclass(frozen=True, kw_only=True)
class Guess:
    """`mapping`: to start from. `missing`: our columns that are needed and that nothing in the file
    looks like. `questions`: what the file can mean in two ways, and how the guess answers.
    """

    mapping: Mapping
    meanings: dict[int, str]  # place -> our column
    missing: tuple[str, ...]
    questions: tuple[str, ...]
    preset: str | None = None


def guess(kind: str, header: Sequence[str], rows: Sequence[Sequence[str]], base: Mapping) -> Guess:
    """Of a file with these first rows. `base`: what is known already; it is not guessed again."""
    cells = [[row[at] if at < len(row) else "" for row in rows] for at in range(len(header))]
    preset = _preset(header) if kind == "orders" and not base.columns else None
    found, questions = _meanings(kind, header, cells, base)
    if preset is not None:
        names = presets()[preset].found(header)
        found = {_places(header, name)[0]: ours for name, ours in names.items()}
        questions = []
    if kind == "orders":
        _by_what_they_hold(found, header, cells)
    known = Mapping() if preset is None else presets()[preset].rest
    said: dict[str, object] = {**known.as_written()}
    ours_at = {ours: at for at, ours in found.items()}
    if kind == "orders" and "account" not in ours_at and "account_name" in ours_at:
        place = ours_at.pop("account_name")
        found[place], ours_at["account"] = "account", place
        questions.append(f"accounts are told apart by {header[place].strip()}: best by a number")
    if "ordered_on" in ours_at:
        days = cells[ours_at["ordered_on"]]
        if not known.formats or not _all_read(days, known.formats):
            formats, asked = _formats(days)
            said["date_format"] = formats[0] if len(formats) == 1 else formats or None
            questions += asked
    numbers = [cells[ours_at[name]] for name in ("revenue", "unit_price") if name in ours_at]
    if numbers and not {"decimal", "thousands"} & base.model_fields_set:
        decimal, thousands, asked = _marks([text for column in numbers for text in column])
        said |= {"decimal": decimal, "thousands": thousands}
        questions += asked
        if any(_A_CREDIT.search(text.strip()) for column in numbers for text in column):
            said["negative"] = ["minus", "brackets", "trailing", "CR"]
    if "status" in ours_at:
        words, asked = _status(cells[ours_at["status"]], {**known.status, **base.status})
        said["status"] = words
        questions += asked
    if kind == "orders" and "fill_down" not in said:
        said["fill_down"] = _filled(ours_at, cells)
    missing = [name for name in COLUMNS[kind].required if name not in ours_at]
    if "revenue" in missing and {"unit_price", "quantity"} <= set(ours_at):
        missing.remove("revenue")
    said["columns"] = _named(header, found, kind, with_others=bool(missing))
    kept = {
        name: value
        for name, value in said.items()
        if value not in (None, {}, [], False) and (name, value) != ("decimal", ".")
    }
    # a name that two columns have says nothing
    told = {name: ours for name, ours in base.columns.items() if len(_places(header, name)) == 1}
    said_before = base.model_copy(update={"columns": told})
    return Guess(
        mapping=said_before.over(Mapping.model_validate(kept)),
        meanings=found,
        missing=tuple(missing),
        questions=tuple(questions),
        preset=preset,
    )


def _preset(header: Sequence[str]) -> str | None:
    """The known export that these are the columns of: the one with most of its names here, all that
    is needed among them, one of its own at least.
    """
    best: tuple[int, str | None] = (4, None)
    for name, preset in presets().items():
        found = preset.found(header)
        own = [their for their in found if re.search(r"[/_#().:]|Lineitem|[a-z][A-Z]", their)]
        try:
            preset.fitted(header)
        except Rejected:
            continue
        if own and len(found) > best[0]:
            best = (len(found), name)
    return best[1]


def _meanings(
    kind: str, header: Sequence[str], cells: Sequence[Sequence[str]], base: Mapping
) -> tuple[dict[int, str], list[str]]:
    """(place -> ours, by names: what the mapping says, then our own names, then theirs; what is
    open).
    """
    found: dict[int, str] = {}
    questions: list[str] = []
    columns = COLUMNS[kind]
    for name, ours in base.columns.items():
        places = _places(header, name)
        if len(places) == 1 and ours is not None:
            found[places[0]] = ours
        elif len(places) > 1:
            questions.append(_asked(places, name, str(ours)))
    for at, name in enumerate(header):
        ours = columns.aliases.get(plain_name(name), plain_name(name))
        if ours in columns.all and at not in found and ours not in found.values():
            found[at] = ours
    theirs = [_bare(name) for name in header]
    for ours in columns.all:
        if ours in found.values() or ours not in _NAMES:
            continue
        for name in _NAMES[ours].split("|"):
            places = [
                at for at, their in enumerate(theirs) if their == _bare(name) and at not in found
            ]
            if len(places) == 1 and _fits(ours, cells[places[0]]):
                found[places[0]] = ours
                break
            if len(places) > 1:
                questions.append(_asked(places, header[places[0]].strip(), ours))
                break
    if kind == "orders" and "unit_price" in found.values():
        told = set(found.values())
        if "revenue" in told or "revenue_cents" in told or "quantity" not in told:
            found = {
                at: ours for at, ours in found.items() if ours not in ("unit_price", "discount")
            }
    return found, questions


def _by_what_they_hold(
    found: dict[int, str], header: Sequence[str], cells: Sequence[Sequence[str]]
) -> None:
    """A day or an amount that no name tells, where one column alone can be it."""
    for ours in ("ordered_on", "revenue"):
        taken = set(found.values())
        if ours in taken or (ours == "revenue" and "unit_price" in taken):
            continue
        able = [
            at
            for at in range(len(header))
            if at not in found
            and _fits(ours, cells[at])
            and (ours != "revenue" or any(re.search(r"[.,][0-9]{2}\b", one) for one in cells[at]))
        ]
        if len(able) == 1:
            found[able[0]] = ours


def _fits(ours: str, texts: Sequence[str]) -> bool:
    """True where nearly all of what stands there can be it."""
    filled = [text for text in texts if text.strip() and not is_nothing(text.strip())]
    if not filled:
        return ours not in ("order", "account", "ordered_on", "revenue")
    if ours == "ordered_on":
        able = sum(bool(_readers(text.strip())) for text in filled)
    elif ours in ("revenue", "unit_price", "quantity", "discount"):
        able = sum(bool(re.search(r"[0-9]", text)) and not _is_day(text) for text in filled)
    elif ours in ("order", "line"):
        able = sum(len(text.strip()) <= 60 for text in filled)
    else:
        return True
    return able >= ENOUGH * len(filled)


def _is_day(text: str) -> bool:
    return bool(re.fullmatch(r"\s*[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{2,4}.*", text))


def _readers(text: str) -> list[str]:
    """The forms that can read it; "" for those that need none."""
    found = []
    for one in ("", *_FORMATS, "excel"):
        try:
            day = file_day(text, UTC, (one,) if one else ())
        except Wrong:
            continue
        if 1970 <= day.year <= clock.now().year + 1:
            found.append(one)
            if not one:
                return found
    return found


def _formats(texts: Sequence[str]) -> tuple[list[str], list[str]]:
    """(the forms of days that read nearly all of it, what is open)."""
    left = {text.strip() for text in texts if text.strip() and not is_nothing(text.strip())}
    readers = {text: _readers(text) for text in sorted(left)[:2_000]}
    left = {text for text, able in readers.items() if able and able != [""]}
    chosen: list[str] = []
    questions: list[str] = []
    while left and len(chosen) < 4:
        counts = {one: sum(one in readers[text] for text in left) for one in (*_FORMATS, "excel")}
        most = max(counts.values())
        best = [one for one, count in counts.items() if count == most]
        day_first = "." in best[0] or "-" in best[0]
        pick = next((one for one in best if one.startswith("%d") == day_first), best[0])
        other = next((one for one in best if one != pick and _swapped(one) == pick), None)
        if other is not None:
            example = next(text for text in sorted(left) if pick in readers[text])
            questions.append(
                f"days such as {example} are read as {pick}: date_format {other} reads them too"
            )
        chosen.append(pick)
        left = {text for text in left if pick not in readers[text]}
    return chosen, questions


def _all_read(texts: Sequence[str], formats: Sequence[str]) -> bool:
    for text in {text.strip() for text in texts if text.strip()}:
        try:
            file_day(text, UTC, formats)
        except Wrong:
            return False
    return True


def _swapped(one: str) -> str:
    return one.replace("%d", "\0").replace("%m", "%d").replace("\0", "%m")


def _marks(texts: Sequence[str]) -> tuple[str, str | None, list[str]]:
    """(decimal, thousands, what is open)."""
    bare = [bare_amount(text.strip(), "USD") for text in texts if text.strip()]
    bare = [re.sub(r"^[^0-9.,+-]+|[^0-9.,+-]+$", "", text) for text in bare]
    bare = [text for text in bare if text and not is_nothing(text)]
    if not bare:
        return ".", None, []
    able = {
        (decimal, thousands): sum(_is_number(text, decimal, thousands) for text in bare)
        for decimal, thousands in _MARKS
    }
    most = max(able.values())
    decimal, thousands = next(marks for marks, count in able.items() if count == most)
    is_told = any("," in text and "." in text for text in bare)
    open_ = [text for text in bare if re.fullmatch(r"[+-]?[0-9]{1,3}[.,][0-9]{3}", text)]
    if not open_ or is_told:
        return decimal, thousands, []
    means = plain_number(open_[0], decimal=decimal, thousands=thousands)
    return decimal, thousands, [f"amounts such as {open_[0]} are read as {means}"]


def _is_number(text: str, decimal: str, thousands: str | None) -> bool:
    try:
        return plain_decimal(plain_number(text, decimal=decimal, thousands=thousands)) is not None
    except NotMoney:
        return False


def _status(texts: Sequence[str], known: dict[str, str]) -> tuple[dict[str, str], list[str]]:
    """(their words -> open or cancelled, what is open)."""
    words = {text.strip().lower() for text in texts if text.strip()} - set(known)
    words = {word for word in words if not is_nothing(word)}
    unknown = []
    for word in sorted(words):
        try:
            read_cancelled(word)
        except Wrong:
            unknown.append(word)
    if not unknown or len(unknown) > MOST_WORDS or "*" in known:
        return known, []
    not_ordered = {_bare(one) for one in _NOT_ORDERED.split("|")}
    found = {
        word: "cancelled"
        if _bare(word) in not_ordered or _CANCELLED & set(re.split(r"\W+", word))
        else "open"
        for word in unknown
    }
    said = ", ".join(f"{word} is {means}" for word, means in found.items())
    return {**known, **found}, [f"words of the status: {said}"]


def _filled(ours_at: dict[str, int], cells: Sequence[Sequence[str]]) -> object:
    """What of an order stands on its first row alone."""
    if "order" not in ours_at:
        return None
    lines = [
        at
        for name, at in ours_at.items()
        if name in ("product", "quantity", "revenue", "unit_price", "grade", "od")
    ]
    rows = [
        row
        for row in range(1, len(cells[0]) if cells else 0)
        if sum(bool(cells[at][row].strip()) for at in lines) > min(1, len(lines) - 1)
    ]
    empty = [
        name
        for name in OF_AN_ORDER
        if name in ours_at and any(not cells[ours_at[name]][row].strip() for row in rows)
    ]
    if not rows or not set(empty) & {"order", "account", "ordered_on"}:
        return None
    return True if "order" in empty else [name for name in empty if name != "revision"]


def _named(
    header: Sequence[str], found: dict[int, str], kind: str, *, with_others: bool
) -> dict[str, str | None]:
    """The columns of a mapping: by name, by number where two have one name. `with_others`: those
    that mean nothing too, for a person to say what they mean.
    """
    names = [plain_name(name) for name in header]
    columns: dict[str, str | None] = {}
    for at, ours in sorted(found.items()):
        is_single = bool(names[at]) and names.count(names[at]) == 1
        name = header[at].strip() if is_single else str(at + 1)
        if COLUMNS[kind].aliases.get(names[at], names[at]) != ours or not is_single:
            columns[name] = ours
    taken = set(found.values())
    for at, name in enumerate(names):
        if at not in found and (with_others or COLUMNS[kind].aliases.get(name, name) in taken):
            columns[header[at].strip() if names.count(name) == 1 else str(at + 1)] = None
    return columns


def _places(header: Sequence[str], name: str) -> list[int]:
    """Where columns of that name, or the one of that number, stand."""
    plain = plain_name(name)
    found = [at for at, one in enumerate(header) if plain_name(one) == plain]
    is_number = plain.isdecimal() and 0 < int(plain) <= len(header)
    return found or ([int(plain) - 1] if is_number else [])


def _asked(places: Sequence[int], name: str, ours: str) -> str:
    numbers = " and ".join(str(at + 1) for at in places)
    return f"the columns {numbers} are all called {name}: name the one that is {ours} by its number"


def _bare(name: str) -> str:
    """A name without accents, marks and blanks, in lower case: `Kunden-Nr.` is `kundennr`."""
    folded = unicodedata.normalize("NFKD", name.lower().replace("ß", "ss"))
    letters = "".join(one for one in folded if not unicodedata.combining(one))
    letters = letters.replace("ł", "l").replace("ø", "o")
    return "".join(re.sub(r"[^\w]+|_", " ", letters).split())
