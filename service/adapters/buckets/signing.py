"""Requests to a bucket: where an object is, and the signature that AWS calls version 4. No I/O.

https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html; only GET without a body. Google
and Azure take a bearer token, too: https://docs.cloud.google.com/storage/docs/xml-api/reference-headers and
https://learn.microsoft.com/rest/api/storageservices/authorize-with-azure-active-directory.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote, urlsplit

_GOOGLE = "https://storage.googleapis.com"
_AZURE = (".blob.core.windows.net", ".blob.core.usgovcloudapi.net", ".blob.core.chinacloudapi.cn")
_AZURE_VERSION = "2021-12-02"  # of the storage service; bearer tokens are taken since 2017-11-09
_NOTHING = hashlib.sha256(b"").hexdigest()  # of a body
_METHOD = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class Login:
    """The keys of a bucket, under the names that AWS's own tools read from the environment.

    `bearer`: a token of Google's or Azure's instead.
    """

    key: str
    secret: str
    token: str
    region: str
    endpoint: str
    bearer: str = ""


def login_of(environ: Mapping[str, str], folder: str = "s3://") -> Login:
    """The keys that the environment holds for this folder; without any, requests are not signed."""
    google = folder.startswith("gs://")
    usual = "auto" if google else "us-east-1"
    region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or usual
    endpoint = environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL")
    return Login(
        environ.get("AWS_ACCESS_KEY_ID", ""),
        environ.get("AWS_SECRET_ACCESS_KEY", ""),
        environ.get("AWS_SESSION_TOKEN", ""),
        region,
        (endpoint or (_GOOGLE if google else f"https://s3.{region}.amazonaws.com")).rstrip("/"),
    )


def is_azure(folder: str) -> bool:
    """Whether this is a folder of Azure's blob storage, which alone gets a token of Azure's."""
    parts = urlsplit(folder)
    return parts.scheme == "https" and (parts.hostname or "").endswith(_AZURE)


def request(folder: str, name: str, login: Login, now: datetime) -> tuple[str, dict[str, str]]:
    """The address of a file of the folder, and the headers to ask for it with; `now` is in UTC."""
    scheme, _, rest = folder.partition("://")
    if scheme not in {"s3", "gs"}:
        return f"{folder}/{quote(name)}", _of_azure(login, now) if is_azure(folder) else {}
    url = f"{login.endpoint}/{quote(f'{rest}/{name}', safe='/~')}"
    if login.bearer:
        return url, {"Authorization": f"Bearer {login.bearer}"}
    return url, _signed(url, login, now) if login.key else {}


def _of_azure(login: Login, now: datetime) -> dict[str, str]:
    if not login.bearer:
        return {}
    moment = now.strftime("%a, %d %b %Y %H:%M:%S GMT")
    said = {"Authorization": f"Bearer {login.bearer}", "x-ms-version": _AZURE_VERSION}
    return {**said, "x-ms-date": moment}


def _signed(url: str, login: Login, now: datetime) -> dict[str, str]:
    parts, moment = urlsplit(url), now.strftime("%Y%m%dT%H%M%SZ")
    scope = f"{moment[:8]}/{login.region}/s3/aws4_request"
    headers = {"host": parts.netloc, "x-amz-content-sha256": _NOTHING, "x-amz-date": moment}
    if login.token:
        headers["x-amz-security-token"] = login.token
    names = ";".join(sorted(headers))
    said = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    canonical = f"GET\n{parts.path}\n\n{said}\n{names}\n{_NOTHING}"
    text = f"{_METHOD}\n{moment}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{login.secret}".encode()
    for word in (*scope.split("/"), text):
        key = hmac.new(key, word.encode(), hashlib.sha256).digest()
    del headers["host"]  # which every request has
    proof = f"Credential={login.key}/{scope}, SignedHeaders={names}, Signature={key.hex()}"
    return {**headers, "Authorization": f"{_METHOD} {proof}"}
