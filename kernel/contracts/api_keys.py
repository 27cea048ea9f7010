"""API keys: `pw_<43 base62><6 base62 CRC32>`. Only an HMAC-SHA256 of a key is ever stored.

The checksum lets secret scanners and people tell a real key from a typo without asking a server.
"""

import hashlib
import hmac
import secrets
import string
import zlib

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
PREFIX = "pw_"
BODY_LENGTH, CHECKSUM_LENGTH = 43, 6
SHOWN_LENGTH = len(PREFIX) + 6


def generate_key() -> str:
    """Make a new key with 256 bits of randomness."""
    body = "".join(secrets.choice(ALPHABET) for _ in range(BODY_LENGTH))
    return PREFIX + body + checksum(body)


def checksum(body: str) -> str:
    """Return the CRC32 of a key's body in base62, six characters."""
    number, digits = zlib.crc32(body.encode()), ""
    for _ in range(CHECKSUM_LENGTH):
        number, digit = divmod(number, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits


def well_formed(key: str) -> bool:
    """Tell whether a text is a key by its form and checksum; says nothing about whether it is known."""
    body, check = key[len(PREFIX) : -CHECKSUM_LENGTH], key[-CHECKSUM_LENGTH:]
    return key.startswith(PREFIX) and len(body) == BODY_LENGTH and checksum(body) == check


def digest(key: str, hmac_key: bytes) -> str:
    """Return the HMAC-SHA256 under which a key is stored, in hexadecimal."""
    return hmac.new(hmac_key, key.encode(errors="surrogateescape"), hashlib.sha256).hexdigest()


def shown_prefix(key: str) -> str:
    """Return the start of a key that may be shown in lists."""
    return key[:SHOWN_LENGTH]
