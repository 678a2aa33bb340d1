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
from typing import IO, Literal, cast

import zstandard

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
    """A file that was looked through once. `encoding` None: Parquet. `rows`: about so many.
    `note`: what its reader assumed.
    """

    path: Path
    sha256: str
    packing: Literal["plain", "gzip", "zstd"]
    encoding: str | None
    rows: int
    note: str | None = None

    def texts(self) -> Iterator[str]:
        """The decoded text, piece by piece."""
        assert self.encoding is not None
        decoder = codecs.getincrementaldecoder(self.encoding)()
        with _unpacked(self.path, self.packing) as file:
            while piece := file.read(PIECE_BYTES):
                yield decoder.decode(piece)
        yield decoder.decode(b"", final=True)


def survey(path: Path) -> Source:
    """Look through the whole file once: its hash (an import is known by it) and
    its encoding. Raises Rejected.
    """
    most_bytes = settings().import_max_bytes
    try:
        if not path.is_file() and path.exists():
            raise Rejected(
                FieldError(field=str(path), reason="is a folder" if path.is_dir() else "is no file")
            )
        with path.open("rb") as file:
            head = file.read(4)
            file.seek(0)
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        if head == b"PAR1":
            return Source(path=path, sha256=sha256, packing="plain", encoding=None, rows=0)
        packing: Literal["plain", "gzip", "zstd"] = "plain"
        if head[:2] == b"\x1f\x8b":
            packing = "gzip"
        elif head == b"\x28\xb5\x2f\xfd":
            packing = "zstd"
        encoding, rows, note = _encoding(path, packing, most_bytes)
        return Source(
            path=path, sha256=sha256, packing=packing, encoding=encoding, rows=rows, note=note
        )
    except (EOFError, gzip.BadGzipFile, zlib.error, zstandard.ZstdError) as error:
        raise Rejected(FieldError(field=str(path), reason=f"is cut or damaged: {error}")) from None
    except OSError as error:
        raise Rejected(
            FieldError(field=str(path), reason=f"cannot be read: {error.strerror}")
        ) from None


def _encoding(path: Path, packing: str, most_bytes: int) -> tuple[str, int, str | None]:
    """(codec, about how many lines, what was assumed). Raises Rejected for what no
    codec reads, and beyond the bounds.
    """
    rows, size, line_bytes = 0, 0, 0
    with _unpacked(path, packing) as file:
        piece = file.read(PIECE_BYTES)
        marked = next((name for bom, name in _BOMS if piece.startswith(bom)), None)
        decoder = codecs.getincrementaldecoder(marked or "utf-8")()
        fits, cp1252 = True, True
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
            fits = fits and _decodes(decoder, piece)
            rows += piece.count(b"\n")
            cp1252 = cp1252 and len(piece.translate(None, _UNDEFINED_IN_CP1252)) == len(piece)
            piece = file.read(PIECE_BYTES)
    if fits and _decodes(decoder, b"", final=True):
        return marked or "utf-8", rows, None
    if marked:
        raise Rejected(
            FieldError(field=str(path), reason=f"is no valid {marked}, though it begins as such")
        )
    name = "cp1252" if cp1252 else "latin-1"
    return name, rows, f"{path.name} is not UTF-8: read as {name}"


def _decodes(decoder: codecs.IncrementalDecoder, piece: bytes, *, final: bool = False) -> bool:
    try:
        decoder.decode(piece, final)
    except UnicodeDecodeError:
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
