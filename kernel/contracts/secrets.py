"""What is derived from PRESSWORK_SECRET_KEY: one key per purpose (HKDF-SHA256), URL signatures, sealed secrets."""

import base64
import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

MIN_SECRET_LENGTH = 32


def derive(secret_key: str, purpose: str) -> bytes:
    """Derive 32 bytes for one purpose: a leak of one use does not open another."""
    info = f"presswork {purpose}".encode()
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(secret_key.encode())


class SecretBox:
    """Seals short texts with AES-256-GCM, so that what is stored is useless without the secret key."""

    def __init__(self, secret_key: str) -> None:
        self._cipher = AESGCM(derive(secret_key, "sealed secrets"))

    def seal(self, text: str) -> str:
        nonce = os.urandom(12)
        return base64.urlsafe_b64encode(nonce + self._cipher.encrypt(nonce, text.encode(), None)).decode()

    def open(self, sealed: str) -> str:
        """Open a sealed text. Raises ValueError when it was sealed under another secret key."""
        raw = base64.urlsafe_b64decode(sealed)
        try:
            return self._cipher.decrypt(raw[:12], raw[12:], None).decode()
        except InvalidTag:
            raise ValueError("sealed under another PRESSWORK_SECRET_KEY") from None


class UrlSigner:
    """Signs download links: whoever holds the link may fetch that document until it expires (epoch seconds)."""

    def __init__(self, secret_key: str) -> None:
        self._key = derive(secret_key, "download urls")

    def sign(self, path: str, expires_s: int) -> str:
        """Return the path with `expires` and `signature` parameters."""
        return f"{path}?expires={expires_s}&signature={self._signature(path, expires_s)}"

    def valid(self, path: str, expires_s: int, signature: str, now_s: float) -> bool:
        """Tell whether a signature is this path's and has not expired."""
        expected = self._signature(path, expires_s)
        return hmac.compare_digest(expected.encode(), signature.encode(errors="replace")) and now_s < expires_s

    def _signature(self, path: str, expires_s: int) -> str:
        mac = hmac.new(self._key, f"{path}\n{expires_s}".encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(mac).decode().rstrip("=")
