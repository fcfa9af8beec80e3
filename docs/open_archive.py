#!/usr/bin/env python3
"""Opens a sealed archive of Rookery without Rookery, as docs/FORMAT.md describes it.

usage: open_archive.py KEY-FILE ARCHIVE.zip.sealed OUT.zip

Needs the package `cryptography`. A key made from a passphrase needs `argon2-cffi`, too; the passphrase is read from standard input.
"""
import base64
import hashlib
import hmac
import json
import sys

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

CHUNK, TAG = 16384, 16
SUITE = "HPKE-X25519-SHA256-AES256GCM+C2SP-CHUNKED-AES256GCM-SHA512"
KEM_SUITE = b"KEM" + bytes([0x00, 0x20])
HPKE_SUITE = b"HPKE" + bytes([0x00, 0x20, 0x00, 0x01, 0x00, 0x02])


def expand(hash_name, key, info, length):
    """HKDF-Expand (RFC 5869)."""
    out, block, number = b"", b"", 1
    while len(out) < length:
        block = hmac.new(key, block + info + bytes([number]), hash_name).digest()
        out, number = out + block, number + 1
    return out[:length]


def labeled_extract(suite, salt, label, ikm):
    return hmac.new(salt, b"HPKE-v1" + suite + label + ikm, "sha256").digest()


def labeled_expand(suite, prk, label, info, length):
    return expand("sha256", prk, length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info, length)


def public_bytes(private):
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def hpke_open(private, enc, info, aad, ciphertext):
    """RFC 9180, base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM."""
    shared = private.exchange(X25519PublicKey.from_public_bytes(enc))
    eae_prk = labeled_extract(KEM_SUITE, b"", b"eae_prk", shared)
    shared = labeled_expand(KEM_SUITE, eae_prk, b"shared_secret", enc + public_bytes(private), 32)
    schedule = b"\0" + labeled_extract(HPKE_SUITE, b"", b"psk_id_hash", b"") + labeled_extract(HPKE_SUITE, b"", b"info_hash", info)
    secret = labeled_extract(HPKE_SUITE, shared, b"secret", b"")
    key = labeled_expand(HPKE_SUITE, secret, b"key", schedule, 32)
    nonce = labeled_expand(HPKE_SUITE, secret, b"base_nonce", schedule, 12)
    return AESGCM(key).decrypt(nonce, ciphertext, aad)


def derived(passphrase, parameters):
    """argon2id, then DeriveKeyPair of RFC 9180."""
    from argon2.low_level import Type, hash_secret_raw

    seed = hash_secret_raw(
        passphrase.encode(), base64.b64decode(parameters["salt"]), parameters["passes"], parameters["memory_kib"],
        parameters["lanes"], 32, Type.ID,
    )
    prk = labeled_extract(KEM_SUITE, b"", b"dkp_prk", seed)
    return labeled_expand(KEM_SUITE, prk, b"sk", b"", 32)


def as_text(prefix, label, key):
    """One half of a key as it is written: base64url of the key and a checksum."""
    return prefix + base64.urlsafe_b64encode(key + hashlib.sha256(label + key).digest()[:4]).decode()


def read_key(path):
    lines = [line.strip() for line in open(path)]
    [line] = [line for line in lines if line and not line.startswith("#")]
    if line.startswith("passphrase "):
        parameters = json.loads(line[len("passphrase "):])
        private = X25519PrivateKey.from_private_bytes(derived(sys.stdin.readline().rstrip("\r\n"), parameters))
        if as_text("rookery-pub1-", b"rookery/v1/public", public_bytes(private)) != parameters["public_key"]:
            sys.exit("this is not the passphrase that the key was made from")
        return private
    if line.startswith("rookery-key1-"):
        key = base64.urlsafe_b64decode(line[len("rookery-key1-"):])[:32]
        if as_text("rookery-key1-", b"rookery/v1/private", key) != line:
            sys.exit("this private key is not as it was saved")
    else:
        # From elsewhere.
        key = base64.b64decode(line, validate=True)
    return X25519PrivateKey.from_private_bytes(key)


def open_archive(private, sealed, out):
    start = sealed.read(12)
    if start[:8] != b"ROOKERY\x01":
        sys.exit("this is not a sealed archive")
    start += sealed.read(int.from_bytes(start[8:], "big"))
    header = json.loads(start[12:])
    if header["suite"] != SUITE:
        sys.exit("this archive is sealed in a way that is not known here")
    digest = hashlib.sha256(b"rookery/v1/recipient" + public_bytes(private)).hexdigest()[:32]
    fingerprint = "-".join(digest[at:at + 4] for at in range(0, 32, 4))
    mine = [one for one in header["recipients"] if one["fingerprint"] == fingerprint]
    if not mine:
        sys.exit("this key does not open this archive; it was sealed for " + ", ".join(one["fingerprint"] for one in header["recipients"]))
    enc, ct = base64.b64decode(mine[0]["enc"]), base64.b64decode(mine[0]["ct"])
    data_key = hpke_open(private, enc, b"rookery/v1/data-key", header["archive"].encode(), ct)

    salt, commitment = sealed.read(24), sealed.read(32)
    context = b"rookery.archive/v1\0" + hashlib.sha256(start).digest()
    derived_bytes = expand("sha512", data_key, b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0" + salt + context, 76)
    key, base_nonce = AESGCM(derived_bytes[:32]), int.from_bytes(derived_bytes[32:44], "big")
    if not hmac.compare_digest(derived_bytes[44:], commitment):
        sys.exit("the beginning of the archive was changed")
    number = 0
    while True:
        chunk = sealed.read(CHUNK + TAG)
        out.write(key.decrypt((base_nonce ^ number).to_bytes(12, "big"), chunk, None))
        if len(chunk) < CHUNK + TAG:
            break
        number += 1


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    try:
        with open(sys.argv[2], "rb") as sealed, open(sys.argv[3], "xb") as out:
            open_archive(read_key(sys.argv[1]), sealed, out)
    except (InvalidTag, ValueError) as error:
        sys.exit(f"the archive or the key was changed: {error!r}")
