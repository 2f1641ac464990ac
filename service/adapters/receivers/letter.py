"""A notice as a mail (RFC 5322): text, and the same as plain HTML; one thread for each release.

`Message-ID` is made from the notice, so that a mail that was sent twice is one for whoever keeps mail.
`References` of all mails about a release name one id, which no mail has: whichever of them somebody gets
first, they stand together. The subject is the same for all, as some programs sort by it.
"""

import html
import re
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP

from policies.notices import Notice, Turn
from service.adapters.chat.words import cut, plain
from service.adapters.receivers import payload
from service.ports.connections import Source
from service.ports.outcomes import Refused

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_ADDRESS = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@(?:(?!-)[A-Za-z0-9-]{{1,63}}\.)*(?!-)[A-Za-z0-9-]{{1,63}}")
_MOST_ADDRESS = 254  # RFC 5321, 4.5.3.1.3
_MOST_SUBJECT = 150
_UNREAD = "Answers to this mail are not read."
_ASKS = "To approve, go to the page below, or write the line above into a comment or a chat that Segue reads."
_POLICY = SMTP.clone(cte_type="7bit")  # which every server takes


def letter(source: Source, notice: Notice, to: str, web: str) -> EmailMessage:
    """The mail of a notice to one address; `web`: where people reach this installation."""
    sender = source.subscription.sender
    domain = sender.rpartition("@")[2]
    thread = f"<{_thread(source, notice)}@{domain}>"
    made = EmailMessage(policy=_POLICY)
    made["From"] = Address("Segue", addr_spec=sender)
    made["To"] = Address(addr_spec=to)
    made["Subject"] = _subject(notice)
    made["Date"] = datetime.fromtimestamp(int(notice.at), UTC)
    made["Message-ID"] = f"<{payload.identity(source, notice)}@{domain}>"
    made["In-Reply-To"] = made["References"] = thread
    made["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence is answered
    link = payload.link(notice, web)
    title, lines = plain(notice.title), "\n".join(plain(line) for line in notice.text.split("\n"))
    how = f"{_ASKS} {_UNREAD}" if notice.turn is Turn.APPROVAL else _UNREAD
    made.set_content(f"{title}\n\n{lines}\n\n{how}\n{link}\n")
    made.add_alternative(_page(title, lines, how, link), subtype="html")
    return made


def check(address: str) -> None:
    """Raises `Refused` for what is no address that mail can come from and go to everywhere."""
    if len(address) > _MOST_ADDRESS or not _ADDRESS.fullmatch(address):
        raise Refused(f"{address[:80]!r} is no mail address; write one such as ml-team@acme.example")


def _subject(notice: Notice) -> str:
    about = f"{notice.target}: {notice.about}" if notice.target else notice.about
    return cut(plain(" ".join(f"[segue] {about}".split())), _MOST_SUBJECT)


def _thread(source: Source, notice: Notice) -> str:
    return f"thread_{payload.digest(source.name, notice.about, repr(notice.began))}"


def _page(title: str, text: str, how: str, link: str) -> str:
    """All of it as text; no picture, no style from elsewhere."""
    title, text, link = (html.escape(one) for one in (title, text, link))
    shown = f'<a href="{link}">{link}</a>'
    return f"<p><strong>{title}</strong></p>\n<pre>{text}</pre>\n<p>{how}<br>{shown}</p>\n"
