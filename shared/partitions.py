"""Which partition is an organization's, without a Kafka client: command-line verbs start
often, and start fast.
"""

from shared.settings import settings


def partition_of(organization: str, partitions: int | None = None) -> int:
    """The partition of `organization` in orders, signals and every topic that has
    their partition count.
    """
    return (murmur2(organization.encode()) & 0x7FFFFFFF) % (partitions or settings().partitions)


def murmur2(data: bytes) -> int:
    """Kafka's murmur2 (org.apache.kafka.common.utils.Utils.murmur2), unsigned, of 32 bits."""
    length = len(data)
    m, mask = 0x5BD1E995, 0xFFFFFFFF
    h = (0x9747B28C ^ length) & mask
    whole = length - length % 4
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i : i + 4], "little")
        k = (k * m) & mask
        k ^= k >> 24
        k = (k * m) & mask
        h = ((h * m) & mask) ^ k
    rest = data[whole:]
    if rest:
        h ^= int.from_bytes(rest, "little")
        h = (h * m) & mask
    h ^= h >> 13
    h = (h * m) & mask
    return h ^ (h >> 15)
