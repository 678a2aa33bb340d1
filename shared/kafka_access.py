"""How every client comes to Kafka: by TLS, by name and password, or as it is within one machine.

One place for three libraries: librdkafka (`client`), aiokafka (`asyncio_client`), Faust
(`credentials`).
"""

import ssl
from typing import Any

from shared.settings import Settings, settings


def client() -> dict[str, Any]:
    """What a client of librdkafka begins with."""
    said = settings()
    found: dict[str, Any] = {"bootstrap.servers": said.kafka}
    if said.kafka_security == "PLAINTEXT":
        return found
    found["security.protocol"] = said.kafka_security
    if _is_tls(said) and said.kafka_ca:
        found["ssl.ca.pem"] = said.kafka_ca
    if _is_sasl(said):
        found |= {
            "sasl.mechanism": said.kafka_sasl_mechanism,
            "sasl.username": said.kafka_username,
            "sasl.password": said.kafka_password,
        }
    return found


def asyncio_client() -> dict[str, Any]:
    """What a client of aiokafka is given beside its servers."""
    said = settings()
    found: dict[str, Any] = {"security_protocol": said.kafka_security}
    if _is_tls(said):
        found["ssl_context"] = _context(said)
    if _is_sasl(said):
        found |= {
            "sasl_mechanism": said.kafka_sasl_mechanism,
            "sasl_plain_username": said.kafka_username,
            "sasl_plain_password": said.kafka_password,
        }
    return found


def credentials() -> Any:
    """Faust's; None where there are none."""
    from faust.auth import SASLCredentials, SSLCredentials

    said = settings()
    context = _context(said) if _is_tls(said) else None
    if _is_sasl(said):
        return SASLCredentials(
            username=said.kafka_username,
            password=said.kafka_password,
            mechanism=said.kafka_sasl_mechanism,
            ssl_context=context,
        )
    return SSLCredentials(context) if context is not None else None


def _is_tls(said: Settings) -> bool:
    return said.kafka_security in ("SSL", "SASL_SSL")


def _is_sasl(said: Settings) -> bool:
    return said.kafka_security.startswith("SASL")


def _context(said: Settings) -> ssl.SSLContext:
    """Names are checked; the authority is the one that is said, or what the machine trusts."""
    return ssl.create_default_context(cadata=said.kafka_ca or None)
