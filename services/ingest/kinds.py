"""What a file is, by its first bytes: whatever its name says."""

import re
import zipfile
from pathlib import Path
from typing import Literal, NamedTuple

LOOKED_AT = 8_192  # bytes
UNTEXTUAL = 0.1  # of these, at most this share may be controls

Packing = Literal["plain", "gzip", "zstd"]
UNPACK = "unpack it, and import what is in it"
SAVE = "save it as CSV or as a workbook (.xlsx), and import that"

# begins with -> what that is, and what to do
_OTHERS: tuple[tuple[bytes, str, str], ...] = (
    (b"PARE", "an encrypted Parquet file", "write it without encryption"),
    (b"%PDF", "a PDF", "export the list as CSV instead"),
    (b"{\\rtf", "a text document (RTF)", SAVE),
    (b"BZh", "packed with bzip2", UNPACK),
    (b"\xfd7zXZ\x00", "packed with xz", UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", UNPACK),
    (b"Rar!\x1a\x07", "a RAR archive", UNPACK),
    (b"\x04\x22\x4d\x18", "packed with LZ4", UNPACK),
    (b"\x1f\x9d", "packed with compress", UNPACK),
    (b"SQLite format 3\x00", "an SQLite database", "export the table as CSV"),
    (b"\x00\x01\x00\x00Standard", "an Access database", "export the table as CSV"),
    (b"Obj\x01", "an Avro file", "write it as Parquet or CSV"),
    (b"ORC", "an ORC file", "write it as Parquet or CSV"),
    (b"ARROW1\x00\x00", "an Arrow (Feather) file", "write it as Parquet or CSV"),
    (b"\x89PNG", "a picture", "export the list as CSV"),
    (b"\xff\xd8\xff", "a picture", "export the list as CSV"),
    (b"GIF8", "a picture", "export the list as CSV"),
    (b"\x7fELF", "a program", "export the list as CSV"),
)
_ORC = re.compile(rb"ORC[\x00-\x08]")
_HTML = re.compile(
    rb"\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|meta|table|body)\b", re.I | re.S
)
_XML = re.compile(rb"\s*<\?xml\b|\s*<[A-Za-z][\w:.-]*(?:\s[^<>]*)?>\s*<", re.I)
_JSON = re.compile(rb'\s*(?:\{\s*"|\[\s*[{\[])')
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\r\x0b\x0c\x1a")) + b"\x7f"
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


class Kind(NamedTuple):
    """`name`: text, parquet, or a workbook's (xlsx, xlsb, xls, ods). `wrong`: why it cannot be
    read, None where it can.
    """

    name: str
    wrong: str | None = None


def kind_of(head: bytes, path: Path) -> Kind:
    """Of what begins so. `path`: where it lies unpacked, for the kinds that are archives."""
    if head.startswith(b"PAR1"):
        return Kind("parquet")
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _archive(path)
    if head.startswith(_OLE):
        return _compound(path)
    for beginning, what, do in _OTHERS:
        if head.startswith(beginning) and (beginning != b"ORC" or _ORC.match(head)):
            return Kind("other", f"is {what}: {do}")
    text = head.removeprefix(b"\xef\xbb\xbf")
    if _HTML.match(text):
        return Kind("html", f"is a web page (HTML), whatever its name says: {SAVE}")
    if b"urn:schemas-microsoft-com:office:spreadsheet" in head:
        return Kind("xml", f"is an XML spreadsheet of 2003: {SAVE}")
    if _XML.match(text):
        return Kind("xml", f"is XML: {SAVE}")
    if _JSON.match(text):
        return Kind("json", "is JSON: POST /v1/orders takes that, a file must be a table")
    if unmarked(head) is None and not head.startswith((b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe")):
        controls = len(head) - len(head.translate(None, _CONTROLS))
        if len(head) > 64 and controls > UNTEXTUAL * len(head):
            return Kind("other", "is no text, no workbook and no Parquet file")
    return Kind("text")


def unmarked(head: bytes) -> str | None:
    """The codec of a text of two or four bytes a letter that does not begin with its mark."""
    head = head[: len(head) // 4 * 4]
    if len(head) < 8:
        return None
    zeros = [head[at::4].count(0) / (len(head) // 4) for at in range(4)]
    for codec, is_zero in (
        ("utf-32-le", (False, True, True, True)),
        ("utf-32-be", (True, True, True, False)),
        ("utf-16-le", (False, True, False, True)),
        ("utf-16-be", (True, False, True, False)),
    ):
        # of texts in other scripts the blanks, digits and line ends are enough to tell
        if all(
            share > 0.3 if zero else share < 0.02
            for share, zero in zip(zeros, is_zero, strict=True)
        ):
            return codec
    return None


def _archive(path: Path) -> Kind:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()[:10_000]
            if "mimetype" in names:
                with archive.open("mimetype") as file:
                    if b"opendocument.spreadsheet" in file.read(200):
                        return Kind("ods")
    except (zipfile.BadZipFile, OSError, ValueError, RuntimeError, EOFError):
        return Kind("zip", "is cut or damaged: it begins as a workbook or a ZIP archive")
    if "xl/workbook.bin" in names:
        return Kind("xlsb")
    if "xl/workbook.xml" in names or any(name.endswith("xl/workbook.xml") for name in names):
        return Kind("xlsx")
    if any(name.startswith(("word/", "ppt/")) for name in names):
        return Kind("other", f"is a document: {SAVE}")
    if any(name.startswith("xl/") for name in names):
        return Kind("xlsx", "is an Excel workbook that is damaged: save it again")
    return Kind("zip", f"is a ZIP archive: {UNPACK}")


def _compound(path: Path) -> Kind:
    """Excel before 2007; Word and mails too, and any workbook under a password."""
    with path.open("rb") as file:
        content = file.read(4_000_000)
    if "EncryptedPackage".encode("utf-16-le") in content:
        return Kind("xlsx", "is an Excel workbook under a password: save it without one")
    if any(one.encode("utf-16-le") in content for one in ("Workbook", "Book")):
        return Kind("xls")
    if "WordDocument".encode("utf-16-le") in content:
        return Kind("other", f"is a document: {SAVE}")
    return Kind("xls", f"begins as an Excel workbook (.xls), and holds none: {SAVE}")
