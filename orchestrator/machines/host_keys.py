"""Public host keys as an operator pins them: "TYPE BASE64". Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass

from orchestrator.errors import BadInput

TYPES: dict[str, tuple[str, ...]] = {
    "ssh-ed25519": ("ssh-ed25519",),
    "ecdsa-sha2-nistp256": ("ecdsa-sha2-nistp256",),
    "ecdsa-sha2-nistp384": ("ecdsa-sha2-nistp384",),
    "ecdsa-sha2-nistp521": ("ecdsa-sha2-nistp521",),
    "ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256"),
}
"""A type of key → the signature algorithms under which a host may show it (RFC 8332 for RSA: never SHA-1)."""

REMEDY = 'give "TYPE BASE64" as in the host\'s /etc/ssh/ssh_host_ed25519_key.pub'


@dataclass(frozen=True, kw_only=True)
class HostKey:
    """`blob` is the key as it goes over the wire (RFC 4253, section 6.6)."""

    kind: str
    blob: bytes

    @property
    def text(self) -> str:
        return f"{self.kind} {base64.b64encode(self.blob).decode()}"

    @property
    def fingerprint(self) -> str:
        """As OpenSSH shows it."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")


def read(text: str) -> HostKey:
    """A key from "TYPE BASE64", with or without a comment after it. Raises BadInput."""
    words = text.split()
    if len(words) < 2 or words[0] not in TYPES:
        raise BadInput(f"{text[:80]!r} is no host key of a known type ({', '.join(TYPES)})", REMEDY)
    try:
        blob = base64.b64decode(words[1], validate=True)
    except binascii.Error as error:
        raise BadInput(f"the host key's second word is not base64: {error}", REMEDY) from None
    named = words[0].encode()
    if blob[: 4 + len(named)] != len(named).to_bytes(4, "big") + named or len(blob) < 4 + len(named) + 32:
        raise BadInput(f"the host key is not what its first word says, {words[0]}", REMEDY)
    return HostKey(kind=words[0], blob=blob)
