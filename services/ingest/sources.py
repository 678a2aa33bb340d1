"""Files as they lie there -> decoded text, in bounded memory: what they are packed in, and
how their letters are encoded.
"""

import codecs
import gzip
import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import zstandard

from services.ingest.kinds import LOOKED_AT, Packing, kind_of, unmarked
from shared.errors import FieldError, Rejected
from shared.settings import settings

PIECE_BYTES = 8_000_000
LONGEST_LINE_BYTES = 40_000_000  # a file of zeros, however well packed, is known after this

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_UNDEFINED_IN_CP1252 = b"\x81\x8d\x8f\x90\x9d"


@dataclass(frozen=True, kw_only=True)
class Source:
    """A file that was looked through once. `kind` as in `kinds.Kind`; `encoding`: of a text.
    `rows`: about so many. `note`: what its reader assumed.
    """

    path: Path
    sha256: str
    packing: Packing
    kind: str
    encoding: str | None
    rows: int
    note: str | None = None

    def texts(self) -> Iterator[str]:
        """The decoded text, piece by piece."""
        assert self.encoding is not None
        decoder = codecs.getincrementaldecoder(self.encoding)()
        is_first = True
        with _unpacked(self.path, self.packing) as file:
            while piece := file.read(PIECE_BYTES):
                text = decoder.decode(piece)
                if is_first and text:
                    text, is_first = text.removeprefix("\ufeff"), False
                yield text
        yield decoder.decode(b"", final=True)

    def head(self, characters: int) -> str:
        """The beginning of the text."""
        found = ""
        for text in self.texts():
            found += text
            if len(found) >= characters:
                break
        return found[:characters]


def survey(path: Path, encoding: str | None = None) -> Source:
    """Look through the whole file once: its hash (an import is known by it), its kind and
    its encoding, which `encoding` may say. Raises Rejected.
    """
    most_bytes = settings().import_max_bytes
    try:
        if not path.is_file() and path.exists():
            raise Rejected(
                FieldError(field=str(path), reason="is a folder" if path.is_dir() else "is no file")
            )
        with path.open("rb") as file:
            head = file.read(LOOKED_AT)
            file.seek(0)
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        packing: Packing = "plain"
        if head[:2] == b"\x1f\x8b":
            packing = "gzip"
        elif head[:4] == b"\x28\xb5\x2f\xfd":
            packing = "zstd"
        if packing != "plain":
            with _unpacked(path, packing) as file:
                head = file.read(LOOKED_AT)
            if head.startswith((b"PAR1", b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
                reason = f"has a workbook, a Parquet file or an archive packed with {packing}"
                raise Rejected(FieldError(field=str(path), reason=f"{reason}: unpack it first"))
        kind = kind_of(head, path)
        if kind.wrong is not None:
            raise Rejected(FieldError(field=str(path), reason=kind.wrong))
        if kind.name != "text":
            return Source(
                path=path, sha256=sha256, packing=packing, kind=kind.name, encoding=None, rows=0
            )
        codec, rows, note = _encoding(path, packing, most_bytes, encoding)
        return Source(
            path=path,
            sha256=sha256,
            packing=packing,
            kind="text",
            encoding=codec,
            rows=rows,
            note=note,
        )
    except (EOFError, gzip.BadGzipFile, zlib.error, zstandard.ZstdError) as error:
        raise Rejected(FieldError(field=str(path), reason=f"is cut or damaged: {error}")) from None
    except OSError as error:
        raise Rejected(
            FieldError(field=str(path), reason=f"cannot be read: {error.strerror}")
        ) from None


def _encoding(
    path: Path, packing: str, most_bytes: int, said: str | None
) -> tuple[str, int, str | None]:
    """(codec, about how many lines, what was assumed). A mark at the beginning counts more than
    `said`. Raises Rejected for what no codec reads, and beyond the bounds.
    """
    rows, size, line_bytes = 0, 0, 0
    with _unpacked(path, packing) as file:
        piece = file.read(PIECE_BYTES)
        marked = next((name for bom, name in _BOMS if piece.startswith(bom)), None)
        wide = unmarked(piece[:LOOKED_AT])
        if wide is not None and said in ("utf-16", "utf-32"):  # which want a mark
            said = wide
        guessed = marked or said or wide
        decoder = codecs.getincrementaldecoder(guessed or "utf-8")()
        fits, cp1252, wrong_line = True, True, 0
        while piece:
            size += len(piece)
            if size > most_bytes:
                raise Rejected(
                    FieldError(
                        field=str(path),
                        reason=f"is larger than {most_bytes} bytes when it is unpacked",
                    )
                )
            line_bytes = (
                line_bytes + len(piece) if piece.find(b"\n") < 0 and piece.find(b"\r") < 0 else 0
            )
            if line_bytes > LONGEST_LINE_BYTES:
                raise Rejected(
                    FieldError(
                        field=str(path),
                        reason=f"has a line of more than {LONGEST_LINE_BYTES} bytes",
                    )
                )
            if fits and not _decodes(decoder, piece):
                fits, wrong_line = False, rows + 1
            rows += piece.count(b"\n")
            cp1252 = cp1252 and len(piece.translate(None, _UNDEFINED_IN_CP1252)) == len(piece)
            piece = file.read(PIECE_BYTES)
    if fits and _decodes(decoder, b"", final=True):
        note = f"{path.name} begins with the mark of {marked}, and is read as that"
        is_other = marked is not None and said is not None and not _is_alike(marked, said)
        return guessed or "utf-8", rows, note if is_other else None
    if said and not marked:
        where = f", from about line {wrong_line} on" if wrong_line > 1 else ""
        raise Rejected(
            FieldError(field=str(path), reason=f"is no valid {said}, as the mapping says{where}")
        )
    if guessed:
        raise Rejected(
            FieldError(field=str(path), reason=f"is no valid {guessed}, though it begins as such")
        )
    name = "cp1252" if cp1252 else "latin-1"
    note = f"{path.name} is not UTF-8: read as {name}; encoding in a mapping says another one"
    return name, rows, note


def _is_alike(marked: str, said: str) -> bool:
    return marked.replace("-sig", "")[:6] == said.replace("_", "-").replace("utf8", "utf-8")[:6]


def _decodes(decoder: codecs.IncrementalDecoder, piece: bytes, *, final: bool = False) -> bool:
    try:
        decoder.decode(piece, final)
    except UnicodeError:
        return False
    return True


def _unpacked(path: Path, packing: str) -> IO[bytes]:
    if packing == "gzip":
        return cast(IO[bytes], gzip.open(path, "rb"))
    if packing == "zstd":
        stream = zstandard.ZstdDecompressor().stream_reader(
            path.open("rb"), read_across_frames=True, closefd=True
        )
        return cast(IO[bytes], stream)
    return path.open("rb")
