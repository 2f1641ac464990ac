"""A mail server for tests: real SMTP with TLS and logins, which keeps what it takes and refuses as it is told."""

import asyncio
import ssl
import subprocess
import threading
from email import message_from_bytes
from email.policy import default

from aiosmtpd.smtp import SMTP, AuthResult

HERE = "127.0.0.2"  # this machine, as one of another name: on 127.0.0.1 nobody need encrypt
USER, PASSWORD = "segue", "a-password"


class Authority:
    """A company's own, and the server's certificate that it signed, as files in a folder."""

    def __init__(self, folder):
        self.folder = folder
        new = ("-newkey", "rsa:2048", "-nodes", "-days", "2")
        self._openssl("req", "-x509", *new, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=a company")
        self._openssl("req", *new[:3], "-keyout", "key.pem", "-out", "request", "-subj", f"/CN={HERE}")
        (folder / "names").write_text(f"subjectAltName = IP:{HERE}\n")
        signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names")
        self._openssl("x509", "-req", "-in", "request", *signed, "-out", "cert.pem")

    def _openssl(self, *words):
        subprocess.run(["openssl", *words], cwd=self.folder, check=True, capture_output=True)

    @property
    def path(self):
        return str(self.folder / "ca.pem")

    def context(self):
        """What a server of that name shows."""
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(self.folder / "cert.pem", self.folder / "key.pem")
        return made


class Sink:
    """`taken` are the mails, with whom each came from and went to; `secured` whether each came over TLS.

    `answers` are what is said at a step of the session, once each: ("RCPT", "550 nobody of that name").
    """

    def __init__(self, authority=None, *, implicit=False, login=False, host=HERE):
        self.taken, self.secured, self.answers, self.logins = [], [], [], []
        self._context = None if authority is None else authority.context()
        self._implicit, self._host = implicit, host
        self._more = {} if implicit else {"tls_context": self._context}
        if login:
            self._more |= {
                "auth_required": True, "authenticator": self._login, "auth_require_tls": not implicit,
            }  # fmt: skip
        self._sessions = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self):
        def session():
            self._sessions.append(SMTP(self, hostname="sink", loop=self._loop, **self._more))
            return self._sessions[-1]

        context = self._context if self._implicit else None
        made = self._loop.create_server(session, self._host, 0, ssl=context)
        self._server = self._loop.run_until_complete(made)
        scheme = "smtps" if self._implicit else "smtp"
        self.url = f"{scheme}://{self._host}:{self._server.sockets[0].getsockname()[1]}"
        self._thread.start()
        return self

    def __exit__(self, *error):
        asyncio.run_coroutine_threadsafe(self._ended(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()

    async def _ended(self):
        self._server.close()
        for one in self._sessions:
            if one.transport is not None:
                one.transport.abort()
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            for one in others:
                one.cancel()
            await asyncio.wait(others)

    def _login(self, _server, _session, _envelope, _mechanism, told):
        self.logins.append((told.login.decode(), told.password.decode()))
        return AuthResult(success=self.logins[-1] == (USER, PASSWORD), handled=False)

    def _answer(self, step):
        for number, (at, said) in enumerate(self.answers):
            if at == step:
                del self.answers[number]
                return said
        return None

    async def handle_MAIL(self, server, session, envelope, address, options):  # noqa: N802
        said = self._answer("MAIL")
        if said is None:
            envelope.mail_from = address
        return said or "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        said = self._answer("RCPT")
        if said is None:
            envelope.rcpt_tos.append(address)
        return said or "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        said = self._answer("DATA")
        if said is None:
            mail = message_from_bytes(envelope.content, policy=default)
            self.taken.append((envelope.mail_from, tuple(envelope.rcpt_tos), mail))
            self.secured.append(server.transport.get_extra_info("sslcontext") is not None)
        return said or "250 OK"

    async def handle_QUIT(self, server, session, envelope):  # noqa: N802
        return self._answer("QUIT") or "221 Bye"

    def mails(self):
        return [mail for _, _, mail in self.taken]
