"""No value grows without bound, and an order of any age is found by a bounded number of reads."""

import pytest

from tests.detector.logs import Log, order

LARGEST_VALUE = 64 * 1024


@pytest.mark.slow
def test_an_account_with_100_000_orders_keeps_its_values_small_and_its_orders_correctable() -> None:
    log = Log()
    count = 100_000
    for start in range(0, count, 500):
        log.orders(
            *(
                order(f"SO-{n}", (count - n) // 40, (100 + n % 7, "5 1/2", "J55"))
                for n in range(start, start + 500)
            )
        )
        if start % 20_000 == 0:
            log.save(keep=10)
    log.save(keep=10)
    assert max(map(len, log.store.values())) <= LARGEST_VALUE
    assert sum(len(key) + len(value) for key, value in log.store.items()) / count < 150
    log.orders(order("SO-3", 2499, (1, "5 1/2", "J55"), revision=2))  # decodes the account
    log.store.reads = 0
    log.orders(order("SO-50000", 1249, (1, "5 1/2", "J55"), revision=2))
    assert log.store.reads <= 3
    assert len(log.save()) <= 4


def test_order_ids_that_share_all_but_two_bytes_split_their_index_page() -> None:
    log = Log()
    ids = [f"K-{chr(65 + a)}{chr(65 + b)}" for a in range(60) for b in range(60)]
    log.orders(
        *(
            order(id_, 10, (100, None, None), account=f"account-with-a-long-name-{id_}")
            for id_ in ids
        )
    )
    log.save()
    assert (
        max(len(value) for key, value in log.store.items() if key[:1] in b"ij")
        <= LARGEST_VALUE // 2
    )
    log.restart()
    assert (
        log.orders(
            *(
                order(id_, 10, (100, None, None), account=f"account-with-a-long-name-{id_}")
                for id_ in ids
            )
        )
        == []
    )
    assert log.save() == []  # all of them were found: nothing to write


def test_orders_that_grow_by_corrections_move_out_of_a_page_that_is_full() -> None:
    log = Log()
    log.orders(*(order(f"{n}", 10, (100, "7", "L80")) for n in range(200)))
    log.save()
    many = [(100 + n, f"{n % 40 + 1}.{n:03d}", "L80") for n in range(1000)]
    for n in range(0, 200, 5):
        log.orders(order(f"{n}", 10, *many, revision=2))
    log.save()
    assert max(map(len, log.store.values())) <= LARGEST_VALUE
    log.restart()
    assert log.orders(*(order(f"{n}", 10, *many, revision=2) for n in range(0, 200, 5))) == []
    assert log.save() == []


def test_an_account_with_thousands_of_lapsed_combos_pages_its_episodes() -> None:
    log = Log()
    log.orders(
        *(order(f"{n}", 200, (1000, f"{n / 1000 + 1:.3f}", "L80")) for n in range(3000)),
        order("last", 1, (1, None, None)),
    )
    log.run(0)
    log.save()
    assert max(map(len, log.store.values())) <= LARGEST_VALUE
    log.restart()
    *_, completed = log.run(-1)
    assert completed.seen == 3000  # type: ignore[union-attr] # a run ends with its completion
