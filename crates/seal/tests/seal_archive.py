#!/usr/bin/env python3
"""Seals an archive as docs/FORMAT.md describes it, with numbers that are given instead of random ones: for tests alone.

usage: seal_archive.py PLAIN DATA-KEY SALT ARCHIVE EPHEMERAL PUBLIC-KEY... > SEALED

All but the file and the public keys are hexadecimal digits. The ephemeral private key is the same for every recipient.
"""
import base64
import hashlib
import importlib.util
import json
import pathlib
import sys

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

# HKDF and the labels of HPKE are those of the reader for strangers.
reader = pathlib.Path(__file__).resolve().parents[3] / "docs" / "open_archive.py"
spec = importlib.util.spec_from_file_location("open_archive", reader)
opening = importlib.util.module_from_spec(spec)
sys.dont_write_bytecode = True
spec.loader.exec_module(opening)


def public_key(text):
    key = base64.urlsafe_b64decode(text[len("rookery-pub1-"):])[:32]
    if opening.as_text("rookery-pub1-", b"rookery/v1/public", key) != text:
        sys.exit("this public key is not as it was printed")
    return key


def hpke_seal(ephemeral, public, info, aad, plain):
    """RFC 9180, base mode: SetupBaseS, and Seal with sequence number 0."""
    enc = opening.public_bytes(ephemeral)
    shared = ephemeral.exchange(X25519PublicKey.from_public_bytes(public))
    eae_prk = opening.labeled_extract(opening.KEM_SUITE, b"", b"eae_prk", shared)
    shared = opening.labeled_expand(opening.KEM_SUITE, eae_prk, b"shared_secret", enc + public, 32)
    suite = opening.HPKE_SUITE
    schedule = b"\0" + opening.labeled_extract(suite, b"", b"psk_id_hash", b"") + opening.labeled_extract(suite, b"", b"info_hash", info)
    secret = opening.labeled_extract(suite, shared, b"secret", b"")
    key = opening.labeled_expand(suite, secret, b"key", schedule, 32)
    nonce = opening.labeled_expand(suite, secret, b"base_nonce", schedule, 12)
    return enc, AESGCM(key).encrypt(nonce, plain, aad)


def seal(plain, data_key, salt, archive, ephemeral, recipients):
    listed = []
    for public in recipients:
        enc, ct = hpke_seal(ephemeral, public, b"rookery/v1/data-key", archive.encode(), data_key)
        digest = hashlib.sha256(b"rookery/v1/recipient" + public).hexdigest()[:32]
        fingerprint = "-".join(digest[at:at + 4] for at in range(0, 32, 4))
        listed.append({"fingerprint": fingerprint, "enc": base64.b64encode(enc).decode(), "ct": base64.b64encode(ct).decode()})
    header = json.dumps({"archive": archive, "suite": opening.SUITE, "recipients": listed}).encode()
    start = b"ROOKERY\x01" + len(header).to_bytes(4, "big") + header
    context = b"rookery.archive/v1\0" + hashlib.sha256(start).digest()
    derived = opening.expand("sha512", data_key, b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0" + salt + context, 76)
    key, base_nonce = AESGCM(derived[:32]), int.from_bytes(derived[32:44], "big")
    chunks = [plain[at:at + opening.CHUNK] for at in range(0, len(plain) // opening.CHUNK * opening.CHUNK + 1, opening.CHUNK)]
    sealed = [key.encrypt((base_nonce ^ number).to_bytes(12, "big"), chunk, None) for number, chunk in enumerate(chunks)]
    return start + salt + derived[44:] + b"".join(sealed)


if __name__ == "__main__":
    if len(sys.argv) < 7:
        sys.exit(__doc__)
    data_key, salt, ephemeral = (bytes.fromhex(sys.argv[at]) for at in (2, 3, 5))
    plain = pathlib.Path(sys.argv[1]).read_bytes()
    ephemeral = X25519PrivateKey.from_private_bytes(ephemeral)
    sys.stdout.buffer.write(seal(plain, data_key, salt, sys.argv[4], ephemeral, [public_key(text) for text in sys.argv[6:]]))
