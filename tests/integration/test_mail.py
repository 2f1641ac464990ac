"""Mail, by real SMTP: certificates, logins, what each refusal means, threads, and texts that mean harm."""

import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import replace

import pytest

from policies.notices import Turn
from service.adapters.receivers import smtp
from service.adapters.receivers.letter import letter
from service.adapters.receivers.mail import Mail
from service.ports.connections import Source, Subscription
from service.ports.outcomes import Refused, Retry
from service.settings import Settings
from tests.contracts.test_receiver import LATER, NOTICE
from tests.mailing import HERE, PASSWORD, USER, Authority, Sink

# The sink does not know that a session is encrypted from its first byte on.
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
ANN, LIST, US = "ann@acme.example", "ml@acme.example", "segue@acme.example"
ODD = (
    "\u202e<script>alert(1)</script>\r\nBcc: eve@evil.example\r\n\r\n.\r\nQUIT\x00\x1b[2J & \U0001f600 \ud800"
)


UNREAD = "Answers to this mail are not read."


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def known(authority, monkeypatch):
    """Its certificates count here."""
    monkeypatch.setenv("SSL_CERT_FILE", authority.path)
    return authority


@pytest.fixture
def settings(tmp_path):
    (tmp_path / "secrets").mkdir()
    return Settings(home=tmp_path, web_url="https://segue.example")


def login(settings, text):
    (settings.home / "secrets" / "login-mail").write_text(text)


def source(url, **more):
    return Source("mail", "email", url, subscription=Subscription((), US, ((ANN, "*"), (LIST, "*"))), **more)


def opened(settings, sink):
    return Mail(settings, source(sink.url))


@pytest.mark.parametrize("implicit", [False, True])
def test_a_mail_goes_over_tls_with_a_login_to_one_address(settings, known, implicit):
    login(settings, f"{USER}:{PASSWORD}\n")
    with Sink(known, implicit=implicit, login=True) as sink:
        mail = opened(settings, sink)
        assert mail.check() == sink.url
        mail.tell(NOTICE, LIST)
    ((sender, to, told),) = sink.taken
    assert (sender, to, sink.secured) == (US, (LIST,), [True])
    assert sink.logins == [(USER, PASSWORD)] * 2
    assert told["From"] == f"Segue <{US}>"
    assert told["To"] == LIST
    assert told["Subject"] == "[segue] wine/production: rel-7"
    assert told["Auto-Submitted"] == "auto-generated"
    text = told.get_body(("plain",)).get_content()
    assert text.splitlines() == [
        NOTICE.title,
        "",
        NOTICE.text,
        "",
        UNREAD,
        "https://segue.example/-/releases/rel-7",
    ]
    page = told.get_body(("html",)).get_content()
    assert '<a href="https://segue.example/-/releases/rel-7">' in page
    assert NOTICE.title in page


def test_mails_of_a_release_are_one_thread_and_those_of_another_are_not(settings, known):
    with Sink(known) as sink:
        mail = opened(settings, sink)
        for notice in (NOTICE, LATER, NOTICE, replace(NOTICE, about="rel-8"), replace(NOTICE, began=1.0)):
            mail.tell(notice, ANN)
    first, later, again, other, elsewhere = sink.mails()
    assert first["References"] == first["In-Reply-To"] == later["References"]
    assert first["Subject"] == later["Subject"]
    assert first["Message-ID"] == again["Message-ID"] != later["Message-ID"]
    assert first.as_bytes().split(b"boundary")[0] == again.as_bytes().split(b"boundary")[0]
    assert len({first["References"], other["References"], elsewhere["References"]}) == 3
    assert all(mail["Message-ID"].endswith("@acme.example>") for mail in sink.mails())


@pytest.mark.parametrize("field", ["title", "text", "target", "about", "reason", "author", "cause", "model"])
def test_whatever_a_text_holds_is_text(settings, known, field):
    with Sink(known) as sink:
        opened(settings, sink).tell(replace(NOTICE, **{field: ODD}), ANN)
        opened(settings, sink).tell(LATER, ANN)
    (_, to, mail), (_, others, _) = sink.taken
    assert (to, others) == ((ANN,), (ANN,))
    assert mail["Bcc"] is None
    wanted = {
        "From", "To", "Subject", "Date", "Message-ID", "In-Reply-To", "References", "Auto-Submitted",
        "MIME-Version", "Content-Type",
    }  # fmt: skip
    assert {name.lower() for name in mail} - {"x-peer", "x-mailfrom", "x-rcptto"} == {
        name.lower() for name in wanted
    }
    body = mail.get_body(("html",)).get_content()
    assert "<script>" not in body
    for part in (mail["Subject"], mail.get_body(("plain",)).get_content(), body):
        assert not set(part) & {"\u202e", "\x1b", "\x00"}


def test_a_certificate_that_nobody_trusts_is_told_and_nothing_is_said_to_it(settings, authority):
    login(settings, f"{USER}:{PASSWORD}")
    for implicit in (False, True):
        with Sink(authority, implicit=implicit, login=True) as sink:
            with pytest.raises(Retry, match=r"cannot be trusted.*SSL_CERT_FILE"):
                opened(settings, sink).tell(NOTICE, ANN)
            assert sink.logins == sink.taken == []


def test_a_certificate_of_another_name_is_not_trusted(settings, known):
    with Sink(known, host="127.0.0.3") as sink, pytest.raises(Retry, match="cannot be trusted"):
        opened(settings, sink).tell(NOTICE, ANN)
    assert sink.taken == []


def test_nothing_is_sent_in_the_open_but_on_this_machine(settings):
    login(settings, f"{USER}:{PASSWORD}")
    with Sink() as sink, pytest.raises(Refused, match="offers no STARTTLS"):
        opened(settings, sink).tell(NOTICE, ANN)
    assert sink.taken == sink.logins == []
    (settings.home / "secrets" / "login-mail").unlink()
    with Sink(host="127.0.0.1") as sink:
        opened(settings, sink).tell(NOTICE, ANN)
    assert (len(sink.taken), sink.secured) == (1, [False])


@pytest.mark.parametrize("text", ["segue:another-password", ""])
def test_a_wrong_login_is_told_without_the_password(settings, known, text):
    login(settings, text)
    with Sink(known, login=True) as sink, pytest.raises(Refused, match="login-") as raised:
        opened(settings, sink).tell(NOTICE, ANN)
    assert "another-password" not in str(raised.value)


@pytest.mark.parametrize("text", ["only-a-user", ":x", "x:", "segue:\u00e9", "segue:a\nsegue:b"])
def test_what_is_no_login_is_refused(settings, known, text):
    login(settings, text)
    with Sink(known, login=True) as sink, pytest.raises(Refused, match="user:password"):
        opened(settings, sink).tell(NOTICE, ANN)
    assert sink.logins == []


def test_a_login_where_none_is_taken_says_so(settings):
    login(settings, f"{USER}:{PASSWORD}")
    with Sink(host="127.0.0.1") as sink, pytest.raises(Refused, match="takes no login"):
        opened(settings, sink).tell(NOTICE, ANN)


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize(("said", "wanted"), [("451 later\x1b", Retry), ("550 nobody of that name", Refused)])
def test_not_now_and_no_are_told_apart_at_each_step(settings, known, step, said, wanted):
    with Sink(known) as sink:
        sink.answers = [(step, said)]
        with pytest.raises(wanted, match=said[:5]) as raised:
            opened(settings, sink).tell(NOTICE, ANN)
        assert str(raised.value).isprintable()
        assert sink.taken == []
        opened(settings, sink).tell(NOTICE, ANN)
    assert len(sink.taken) == 1


def test_a_mail_that_was_taken_is_taken_however_the_session_ends(settings, known):
    with Sink(known) as sink:
        sink.answers = [("QUIT", "500 what?")]
        opened(settings, sink).tell(NOTICE, ANN)
    assert len(sink.taken) == 1


def test_nobody_there_is_told_later(settings):
    with socket.socket() as free:
        free.bind((HERE, 0))
        url = f"smtp://{HERE}:{free.getsockname()[1]}"
    with pytest.raises(Retry, match="does not answer"):
        Mail(settings, source(url)).tell(NOTICE, ANN)


@contextmanager
def trickling():
    """A server that sends a byte now and then, and never a line."""
    with socket.create_server((HERE, 0)) as server:
        stop = threading.Event()

        def drip():
            one, _ = server.accept()
            with one:
                try:
                    while not stop.wait(0.02):
                        one.sendall(b"2")
                except OSError:
                    pass

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        stop.set()
        thread.join(10)


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_one_that_only_trickles_holds_nobody(settings, monkeypatch, scheme):
    monkeypatch.setattr(smtp, "_LONGEST", 0.2)
    with trickling() as port:
        began = time.monotonic()
        with pytest.raises(Retry):
            Mail(settings, source(f"{scheme}://{HERE}:{port}")).tell(NOTICE, ANN)
        assert time.monotonic() - began < smtp._SECONDS


@pytest.mark.parametrize("host", ["169.254.169.254", "[fe80::1]", "metadata..example", "a" * 64 + ".example"])
def test_no_mail_goes_where_nobody_is_told_anything(settings, host, monkeypatch):
    gone_to = []
    monkeypatch.setattr(socket.socket, "connect", lambda _, address: gone_to.append(address))
    with pytest.raises(Refused):
        Mail(settings, source(f"smtp://{host}:25")).tell(NOTICE, ANN)
    assert gone_to == []


@pytest.mark.parametrize(
    ("url", "known_as"),
    [
        ("smtp://mail.example", "smtp://mail.example:587"),
        ("smtps://mail.example/", "smtps://mail.example:465"),
        ("smtp://[::1]:25", "smtp://[::1]:25"),
    ],
)
def test_a_server_is_known_by_its_name_and_port(url, known_as):
    assert smtp.at(url).url == known_as


@pytest.mark.parametrize(
    "url",
    [
        "http://mail.example", "mail.example", "smtp://", "smtp://mail.example:x", "smtp://mail.example:0",
        "smtp://ann:secret@mail.example", "smtp://mail.example/x", "smtp://mail.example?x", "smtp://ma il",
        "smtp://mail.example\r\nQUIT", "smtp://[::1", "smtp://m\u00e4il.example",
    ],
)  # fmt: skip
def test_what_is_no_server_is_refused_and_not_repeated(url):
    with pytest.raises(Refused) as raised:
        smtp.at(url)
    assert "secret" not in str(raised.value).replace("secret file", "")


@pytest.mark.parametrize(
    "address",
    [
        "ann", "ann@", "@acme.example", "ann@acme.example\r\nBcc: eve@evil.example", "ann@acme..example",
        "ann bob@acme.example", "<ann@acme.example>", "a,b@acme.example", "ann@-acme.example", ".ann@acme.example",
        "\u00e4nn@acme.example", "ann@acme.example ", f"{'a' * 250}@acme.example", "ann@acme@example",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_before_anything_is_said(settings, address):
    wrong = (
        replace(source("smtp://127.0.0.1:1"), subscription=Subscription((), address, ((ANN, "*"),))),
        replace(
            source("smtp://127.0.0.1:1"), subscription=Subscription((), US, ((ANN, "*"), (address, "*")))
        ),
    )
    for one in wrong:
        with pytest.raises(Refused, match="mail address"):
            Mail(settings, one).check()


@pytest.mark.parametrize("wanted", [Subscription((), US), Subscription((), "", ((ANN, "*"),))])
def test_mail_needs_a_sender_and_somebody_to_go_to(settings, wanted):
    with pytest.raises(Refused, match="--from"):
        Mail(settings, replace(source("smtp://127.0.0.1:1"), subscription=wanted)).check()


def test_a_mail_that_asks_for_an_approval_says_where_to_answer_and_that_it_is_not_by_mail():
    asks = replace(NOTICE, turn=Turn.APPROVAL)
    for one in letter(source("smtp://127.0.0.1:1"), asks, ANN, "https://segue.example").iter_parts():
        said = one.get_content()
        assert "go to the page below, or write the line above into a comment or a chat" in said
        assert UNREAD in said


def test_every_line_is_short_enough_for_every_server():
    long = replace(NOTICE, title="x" * 3000, text="\u00e9" * 3000, target="y" * 300)
    made = letter(source("smtp://127.0.0.1:1"), replace(long, turn=Turn.PARKED), ANN, "https://segue.example")
    lines = made.as_bytes().split(b"\r\n")
    assert max(map(len, lines)) <= 998
    assert all(line.isascii() for line in lines)
