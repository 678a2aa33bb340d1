"""Nothing leaves this machine in the clear unless it is said by name; and by TLS and with passwords
it goes, tried against a broker that takes nothing else, and a PostgreSQL.
"""

import asyncio
import datetime
import ipaddress
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import faust
import psycopg
import pytest
from aiokafka import AIOKafkaProducer
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # exported, says the reference
    AdminClient,
    NewTopic,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from shared import kafka_access
from shared.errors import Misconfigured
from shared.kafka import Publisher, end_offset
from shared.settings import settings
from tests.eventually import eventually
from winback.stack import jars, java, kafka, postgres, processes

PASSWORD = "s3cret-of-the-test"


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """said(kafka=..., ...): the settings of this process."""

    monkeypatch.setenv("WINBACK_KAFKA_CA", "")  # and it goes again, where a file has said it

    def be(**values: str) -> None:
        for name, value in values.items():
            monkeypatch.setenv(f"WINBACK_{name.upper()}", value)
        settings.cache_clear()

    yield be
    settings.cache_clear()


OFF = [
    ("kafka", "kafka", "kafka.example:9092"),
    ("kafka", "kafka", "127.0.0.1:9092,kafka.example:9092"),
    ("database_url", "postgres", "postgresql://w@db.example/winback"),
    ("database_url", "postgres", "postgresql://w@db.example/winback?sslmode=prefer"),
    ("database_url", "postgres", "postgresql://w@/winback?host=db.example"),
    ("database_url", "postgres", "postgresql://w@127.0.0.1:5432,db.example:5432/winback"),
    ("database_url", "postgres", "postgresql://w@localhost/winback?hostaddr=10.0.0.7"),
    ("smtp_url", "smtp", "smtp://mail.example:25"),
    ("base_url", "http", "http://winback.example"),
    ("base_url", "http", "http://10.0.0.7:8080"),
]
FINE = [
    ("kafka", "localhost:9092,[::1]:9092,127.0.0.2:9092"),
    ("database_url", "postgresql://w@db.example/winback?sslmode=verify-full"),
    ("database_url", "postgresql://w@/winback?host=/var/run/postgresql"),
    ("database_url", "postgresql://w:p%40ss@%2Fvar%2Frun%2Fpostgresql/winback"),
    ("database_url", "postgresql://w@[::1]:5432,127.0.0.1/winback"),
    ("smtp_url", "smtp+starttls://mail.example:587"),
    ("smtp_url", "smtps://mail.example"),
    ("base_url", "https://winback.example"),
]


@pytest.mark.parametrize(("name", "way", "value"), OFF)
def test_what_leaves_this_machine_in_the_clear_is_refused_unless_it_is_said_by_name(
    said: Callable[..., None], name: str, way: str, value: str
) -> None:
    said(**{name: value}, plaintext="")
    with pytest.raises(Misconfigured, match=f"WINBACK_{name.upper()}.*in the clear.*{way}"):
        settings()
    others = {"kafka", "postgres", "smtp", "http"} - {way}
    said(plaintext=", ".join(others))
    with pytest.raises(Misconfigured):
        settings()
    said(plaintext=way)
    assert getattr(settings(), name) == value


def test_one_host_can_be_said_alone(said: Callable[..., None]) -> None:
    said(plaintext="kafka=one, kafka=two,smtp=mailpit,", smtp_url="smtp://mailpit:1025")
    said(kafka="one:9092,two:9092")
    assert settings().kafka == "one:9092,two:9092"
    for name, value in (
        ("kafka", "one:9092,three:9092"),
        ("smtp_url", "smtp://one"),
        ("base_url", "http://one"),
    ):
        said(kafka="one:9092", smtp_url="smtp://mailpit", base_url="http://127.0.0.1")
        settings()
        said(**{name: value})
        with pytest.raises(Misconfigured, match=f"WINBACK_{name.upper()}"):
            settings()


def test_with_sasl_a_name_and_a_password_are_needed(said: Callable[..., None]) -> None:
    said(kafka_security="SASL_SSL")
    with pytest.raises(Misconfigured, match="WINBACK_KAFKA_USERNAME: is needed"):
        settings()
    said(kafka_username="winback")
    with pytest.raises(Misconfigured, match="WINBACK_KAFKA_PASSWORD: is needed"):
        settings()


@pytest.mark.parametrize(("name", "value"), FINE)
def test_what_stays_here_or_goes_by_tls_is_taken(
    said: Callable[..., None], name: str, value: str
) -> None:
    said(**{name: value}, plaintext="")
    assert getattr(settings(), name) == value


def test_kafka_by_tls_may_be_anywhere(said: Callable[..., None]) -> None:
    said(kafka="kafka.example:9093", kafka_security="SASL_SSL", plaintext="")
    said(kafka_username="winback", kafka_password=PASSWORD)
    assert kafka_access.client()["security.protocol"] == "SASL_SSL"


# -- a broker that takes TLS alone, and a PostgreSQL with it ---------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """(certificate, key, both for Java) of 127.0.0.1, which is its own authority."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    ca, plain, both = folder / "ca.pem", folder / "key.pem", folder / "both.pem"
    ca.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    plain.chmod(0o600)
    both.write_bytes(plain.read_bytes() + ca.read_bytes())
    return ca, plain, both


@pytest.fixture(scope="module")
def secured(
    certificate: tuple[Path, Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A broker of its own whose one listener for clients is SASL_SSL."""
    folder = tmp_path_factory.mktemp("kafka")
    port, controller = free_port(), free_port()
    base = jars.command(java.find(), archive=False)
    properties = kafka.configure(folder, port=port, controller_port=controller, base=base)
    text = properties.read_text().replace("PLAINTEXT://", "SASL_SSL://")
    text = text.replace("PLAINTEXT:PLAINTEXT,", "SASL_SSL:SASL_SSL,")
    login = "org.apache.kafka.common.security.plain.PlainLoginModule required"
    text += f"""
inter.broker.listener.name=SASL_SSL
sasl.enabled.mechanisms=PLAIN
sasl.mechanism.inter.broker.protocol=PLAIN
listener.name.sasl_ssl.plain.sasl.jaas.config={login} username="broker" password="{PASSWORD}" \\
    user_broker="{PASSWORD}" user_winback="{PASSWORD}";
ssl.keystore.type=PEM
ssl.keystore.location={certificate[2]}
ssl.truststore.type=PEM
ssl.truststore.location={certificate[0]}
"""
    properties.write_text(text)
    log = (folder / "log").open("wb")
    broker = subprocess.Popen(
        [*base, "kafka.Kafka", str(properties)],
        stdout=log,
        stderr=log,
        preexec_fn=processes.die_with_parent,
    )
    try:
        eventually(lambda: answers(port), seconds=120, running=broker, what="a broker with TLS")
        yield f"127.0.0.1:{port}"
    finally:
        broker.terminate()
        broker.wait(60)
        log.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def make(topic: str) -> None:
    """Once the broker answers."""
    admin = AdminClient(kafka_access.client())
    eventually(lambda: admin.list_topics(timeout=30).brokers, seconds=60, what="its brokers")
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(30)


def test_every_client_comes_to_kafka_by_tls_with_name_and_password(
    secured: str, certificate: tuple[Path, Path, Path], said: Callable[..., None]
) -> None:
    said(
        kafka=secured,
        kafka_security="SASL_SSL",
        kafka_ca_file=str(certificate[0]),
        kafka_sasl_mechanism="PLAIN",
        kafka_username="winback",
        kafka_password=PASSWORD,
    )
    make("kept")
    publisher = Publisher()
    sent: list[object] = []
    publisher.send("kept", b"one", partition=0, on_done=sent.append)
    eventually(lambda: sent, seconds=30, what="an answer of the broker")
    publisher.close()

    async def by_aiokafka() -> None:
        producer = AIOKafkaProducer(bootstrap_servers=secured, **kafka_access.asyncio_client())
        await producer.start()
        await producer.send_and_wait("kept", b"two", partition=0)
        await producer.stop()

    asyncio.run(asyncio.wait_for(by_aiokafka(), 60))
    consumer = Consumer(kafka_access.client() | {"group.id": "look"})
    consumer.assign([TopicPartition("kept", 0, 0)])
    found = [message.value() for message in consumer.consume(2, 30)]
    consumer.close()
    assert found == [b"one", b"two"]


def test_faust_comes_to_kafka_by_tls_with_name_and_password(
    secured: str, certificate: tuple[Path, Path, Path], said: Callable[..., None]
) -> None:
    said(
        kafka=secured,
        kafka_security="SASL_SSL",
        kafka_ca_file=str(certificate[0]),
        kafka_sasl_mechanism="PLAIN",
        kafka_username="winback",
        kafka_password=PASSWORD,
    )
    make("by-faust")

    async def by_faust() -> None:
        app = faust.App(
            "secured", broker=f"kafka://{secured}", broker_credentials=kafka_access.credentials()
        )
        await app.producer.start()
        await app.producer.send_and_wait("by-faust", None, b"three", 0, None, {})
        await app.producer.stop()

    asyncio.run(asyncio.wait_for(by_faust(), 60))
    assert end_offset("by-faust", 0) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"kafka_password": "another"},
        {"kafka_ca_file": "", "kafka_ca": ""},
        {"kafka_security": "PLAINTEXT"},
        {"kafka_security": "SSL"},
    ],
)
def test_kafka_takes_nobody_who_comes_otherwise(
    secured: str,
    certificate: tuple[Path, Path, Path],
    said: Callable[..., None],
    wrong: dict[str, str],
) -> None:
    right = {
        "kafka": secured,
        "kafka_security": "SASL_SSL",
        "kafka_ca_file": str(certificate[0]),
        "kafka_sasl_mechanism": "PLAIN",
        "kafka_username": "winback",
        "kafka_password": PASSWORD,
    }
    said(**(right | wrong))
    with pytest.raises(KafkaException):
        AdminClient(kafka_access.client() | {"log_level": 0}).list_topics(timeout=3)


@contextmanager
def with_tls(certificate: tuple[Path, Path, Path], folder: Path) -> Iterator[str]:
    """host:port of a PostgreSQL of its own that has TLS."""
    user, port = postgres.unprivileged(), free_port()
    place = Path(tempfile.mkdtemp(prefix="winback-tls-"))  # where another user may go
    place.chmod(0o755)
    (place / "home").mkdir()
    cert, key, password = (place / name for name in ("ca.pem", "key.pem", "password"))
    shutil.copy(certificate[0], cert)
    shutil.copy(certificate[1], key)
    key.chmod(0o600)
    password.write_text(PASSWORD)
    if user is not None:
        for file in (cert, key):
            shutil.chown(file, user.uid, user.gid)
    options = {"port": port, "ssl": "on", "ssl_cert_file": cert, "ssl_key_file": key}
    server = subprocess.Popen(
        [
            sys.executable, "-P", "-m", "winback.stack.postgres", str(place / "home"),
            str(place / "made"), str(password), str(port),
            *(f"{name}={value}" for name, value in options.items() if name != "port"),
        ],
        preexec_fn=processes.die_with_parent,
    )  # fmt: skip
    try:
        eventually(lambda: answers(port), seconds=120, running=server, what="a PostgreSQL")
        yield f"127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(60)
        shutil.rmtree(place, ignore_errors=True)


def is_up(url: str) -> bool:
    """It listens before it takes anybody: until then it says that it starts. A wrong name, a wrong
    certificate go on to raise.
    """
    try:
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.OperationalError as error:
        if "starting up" in str(error) or "refused" in str(error):
            return False
        raise
    return True


def test_postgresql_is_reached_by_tls_and_its_name_is_checked(
    certificate: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    with with_tls(certificate, tmp_path) as place:
        url = f"postgresql://winback:{PASSWORD}@{place}/postgres"
        verified = f"{url}?sslmode=verify-full&sslrootcert={certificate[0]}"
        eventually(lambda: is_up(verified), seconds=60, what="a PostgreSQL that is ready")
        with psycopg.connect(verified) as connection:
            row = connection.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
            assert row.fetchone() == (True,)
        other_name = verified.replace("@127.0.0.1:", "@localhost:")
        for refused in (f"{url}?sslmode=verify-full", other_name):
            with pytest.raises(psycopg.OperationalError):
                psycopg.connect(refused, connect_timeout=5).close()
