"""Signing keys: made, read, used. The only module that knows `cryptography`.

A key of our own is ECDSA on P-256; trusted ones may be on other curves or RSA, since others choose them.
All sign SHA-256 digests, as cosign does. A private key is a secret file and is never shown.
"""

import hashlib
import re
from collections.abc import Iterable
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

Public = ec.EllipticCurvePublicKey | rsa.RSAPublicKey
_BLOCK = re.compile(rb"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----", re.DOTALL)
_LEAST_RSA = 2048


class KeyProblem(ValueError):
    """A key file holds something that cannot be used."""


def new() -> bytes:
    """A new private key as PEM (PKCS 8)."""
    key = ec.generate_private_key(ec.SECP256R1())
    plain = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)


def public(private: bytes) -> bytes:
    """The public half of a private key, as PEM. Raises `KeyProblem`."""
    return _pem(_private(private).public_key())


def sign(private: bytes, content: bytes) -> bytes:
    """The signature of the content, DER-encoded. Raises `KeyProblem`."""
    return _private(private).sign(content, ec.ECDSA(hashes.SHA256()))


def sign_rsa(private: bytes, content: bytes) -> bytes:
    """The signature of the content with an RSA key, as JWT's RS256. Raises `KeyProblem`."""
    key = _loaded(private)
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size < _LEAST_RSA:
        raise KeyProblem(f"it is no RSA key of {_LEAST_RSA} bits or more")
    return key.sign(content, padding.PKCS1v15(), hashes.SHA256())


def trusted(content: bytes) -> tuple[Public, ...]:
    """The public keys of a file: one PEM block after the other, at least one. Raises `KeyProblem`."""
    blocks = _BLOCK.findall(content)
    if not blocks or content.count(b"-----BEGIN ") != len(blocks):
        raise KeyProblem("write public keys as PEM, each from -----BEGIN PUBLIC KEY----- to its END line")
    return tuple(_public(block) for block in blocks)


def name(key: Public) -> str:
    """A short name of a public key: the beginning of its digest."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return hashlib.sha256(key.public_bytes(serialization.Encoding.DER, form)).hexdigest()[:12]


def shown(key: Public) -> str:
    """The short name, and of an RSA key how long it is: below 3,072 bits it is the weakest thing in use."""
    return f"{name(key)} (RSA of {key.key_size} bits)" if isinstance(key, rsa.RSAPublicKey) else name(key)


def signed_by(keys: Iterable[Public], content: bytes, signature: bytes) -> bool:
    """Whether one of the keys signed the content."""
    return any(_verifies(key, content, signature) for key in keys)


def _verifies(key: Public, content: bytes, signature: bytes) -> bool:
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, content, padding.PKCS1v15(), hashes.SHA256())
        else:
            key.verify(signature, content, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def _loaded(content: bytes) -> Any:
    try:
        return serialization.load_pem_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        # Nothing of the library's own words: they may hold a piece of the file.
        raise KeyProblem("it is no private key in PEM without a password") from error


def _private(content: bytes) -> ec.EllipticCurvePrivateKey:
    key = _loaded(content)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise KeyProblem("it is no ECDSA key on the curve P-256")
    return key


def _public(block: bytes) -> Public:
    try:
        key = serialization.load_pem_public_key(block)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyProblem("one of its blocks is no public key") from error
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= _LEAST_RSA:
        return key
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key
    raise KeyProblem(f"a key of its kind is not supported; use ECDSA, or RSA of {_LEAST_RSA} bits or more")


def _pem(key: Public) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_bytes(serialization.Encoding.PEM, form)
