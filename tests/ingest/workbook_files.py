"""Workbooks made by hand: what Excel would write, as small as it can be."""

import zipfile
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from xml.sax.saxutils import escape, quoteattr

FIRST = datetime(1899, 12, 30)  # noqa: DTZ001  # a workbook knows no zones
FIRST_1904 = datetime(1904, 1, 1)  # noqa: DTZ001  # as above

SHOWN = {True: "hidden", False: "visible"}


class Formula(NamedTuple):
    """A formula with the value that it had."""

    text: str
    value: float


class Page(NamedTuple):
    """A sheet: its rows, what is merged, whether it is hidden. `used`: its dimension, as told."""

    name: str
    rows: Sequence[Any]  # texts, numbers, truths, days, Formula or None
    merged: Sequence[str] = ()
    is_hidden: bool = False
    first_row: int = 1


def xlsx(path: Path, *pages: Page, is_1904: bool = False) -> Path:
    """Write a workbook."""
    sheets = "".join(
        f'<sheet name={quoteattr(page.name)} sheetId="{number}" r:id="rId{number}" '
        f"state={quoteattr(SHOWN[page.is_hidden])}/>"
        for number, page in enumerate(pages, 1)
    )
    relations = "".join(
        f'<Relationship Id="rId{number}" Type="{_OFFICE}/worksheet" '
        f'Target="worksheets/sheet{number}.xml"/>'
        for number, _ in enumerate(pages, 1)
    )
    files = {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="xml" ContentType="application/xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1" '
        f'Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}">'
        f'<workbookPr date1904="{int(is_1904)}"/><sheets>{sheets}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
        f'{relations}<Relationship Id="rId99" Type="{_OFFICE}/styles" Target="styles.xml"/>'
        "</Relationships>",
        "xl/styles.xml": f'<styleSheet xmlns="{_MAIN}"><cellXfs count="3"><xf numFmtId="0"/>'
        '<xf numFmtId="14"/><xf numFmtId="22"/></cellXfs></styleSheet>',
        **{
            f"xl/worksheets/sheet{number}.xml": _sheet(page, FIRST_1904 if is_1904 else FIRST)
            for number, page in enumerate(pages, 1)
        },
    }
    return zipped(path, files)


def ods(path: Path, rows: Sequence[Any]) -> Path:
    """Write an OpenDocument spreadsheet of one sheet."""
    names = "urn:oasis:names:tc:opendocument:xmlns"
    body = "".join(
        f"<table:table-row>{''.join(map(_open_cell, row))}</table:table-row>" for row in rows
    )
    content = (
        f'<office:document-content xmlns:office="{names}:office:1.0" '
        f'xmlns:table="{names}:table:1.0" xmlns:text="{names}:text:1.0"><office:body>'
        f'<office:spreadsheet><table:table table:name="Orders">{body}</table:table>'
        "</office:spreadsheet></office:body></office:document-content>"
    )
    mimetype = "application/vnd.oasis.opendocument.spreadsheet"
    manifest = f'<manifest:manifest xmlns:manifest="{names}:manifest:1.0"/>'
    files = {"mimetype": mimetype, "META-INF/manifest.xml": manifest, "content.xml": content}
    return zipped(path, files)


def zipped(path: Path, files: Mapping[str, str]) -> Path:
    """An archive of these texts."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def _sheet(page: Page, first: datetime) -> str:
    rows = "".join(
        f'<row r="{number}">'
        + "".join(
            _cell(f"{chr(65 + place)}{number}", value, first) for place, value in enumerate(row)
        )
        + "</row>"
        for number, row in enumerate(page.rows, page.first_row)
        if any(value is not None for value in row)
    )
    merged = "".join(f'<mergeCell ref="{one}"/>' for one in page.merged)
    cells = f'<mergeCells count="{len(page.merged)}">{merged}</mergeCells>' if merged else ""
    return f'<worksheet xmlns="{_MAIN}"><sheetData>{rows}</sheetData>{cells}</worksheet>'


def _cell(at: str, value: object, first: datetime) -> str:
    if value is None:
        return ""
    if isinstance(value, Formula):
        return f'<c r="{at}"><f>{escape(value.text)}</f><v>{value.value!r}</v></c>'
    if isinstance(value, bool):
        return f'<c r="{at}" t="b"><v>{int(value)}</v></c>'
    if isinstance(value, datetime):
        return f'<c r="{at}" s="2"><v>{(value - first) / timedelta(days=1)!r}</v></c>'
    if isinstance(value, date):
        return f'<c r="{at}" s="1"><v>{(value - first.date()).days}</v></c>'
    if isinstance(value, str):
        text = f'<is><t xml:space="preserve">{escape(value)}</t></is>'
        return f'<c r="{at}" t="inlineStr">{text}</c>'
    return f'<c r="{at}"><v>{value!r}</v></c>'


def _open_cell(value: object) -> str:
    if isinstance(value, str):
        kind, text = 'office:value-type="string"', escape(value)
    elif isinstance(value, date):
        kind, text = f'office:value-type="date" office:date-value="{value.isoformat()}"', "x"
    else:
        kind, text = f'office:value-type="float" office:value="{value!r}"', "x"
    return f"<table:table-cell {kind}><text:p>{text}</text:p></table:table-cell>"
