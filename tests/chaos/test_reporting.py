"""The page is written in pieces: what was done anew replaces its row, the others stay."""

from dataclasses import replace
from pathlib import Path

from winback.chaos.reporting import write
from winback.chaos.runner import Result

KILLS = Result(
    number=2, name="detector-kills", seed=7, kills=20, acknowledged=12_345, lost=0, doubled=0,
    differing=0, p50=4.2, p99=9.0, seconds=60.0, figures={"disk wiped": "3"},
)  # fmt: skip


def test_the_page_adds_up_all_pieces_and_replaces_what_was_done_again(tmp_path: Path) -> None:
    page = tmp_path / "reliability.md"
    write(page, [KILLS])
    write(
        page,
        [replace(KILLS, number=1, name="ingest-kills", kills=5, lost=1), replace(KILLS, seed=8)],
    )
    write(page, [replace(KILLS, kills=30)])
    text = page.read_text()
    assert (
        "3 runs of 2 scenarios, 55 kills, 37,035 operations acknowledged, "
        "1 lost, 0 doubled, 0 differing" in text
    )
    assert (
        text.index("ingest-kills | 7")
        < text.index("detector-kills | 7 | 30")
        < text.index("detector-kills | 8 | 20")
    )


def test_what_could_not_be_run_to_its_end_has_no_row(tmp_path: Path) -> None:
    page = tmp_path / "reliability.md"
    write(page, [replace(KILLS, failure="Retryable: it never came back")])
    assert "detector-kills |" not in page.read_text()


def test_what_this_machine_cannot_do_has_no_row_and_does_not_hold(tmp_path: Path) -> None:
    page = tmp_path / "reliability.md"
    impossible = Result(
        number=15, name="full-disks", seed=1, impossible="only root can mount a small file system"
    )
    write(page, [impossible])
    assert "full-disks |" not in page.read_text()
    assert not impossible.holds
