# SPDX-License-Identifier: Apache-2.0
"""Throw-away certificates for TLS tests, made by openssl into a folder of the caller.

    ca = Authority(folder)                   folder/ca.pem is what a client has to trust
    good = ca.issue("server")                for localhost and 127.0.0.1
    other = ca.issue("other", names=["DNS:example.invalid"])
    old = ca.issue("old", expired=True)
    own = self_signed(folder, "own")
"""

import subprocess
from dataclasses import dataclass
from pathlib import Path

LOOPBACK_NAMES = ("DNS:localhost", "IP:127.0.0.1")


@dataclass(frozen=True)
class Certificate:
    certificate_file: Path
    key_file: Path

    def pem(self):
        """Key and certificate in one text, as Kafka's PEM key stores want it."""
        return self.key_file.read_text() + self.certificate_file.read_text()


class Authority:
    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        own = self_signed(self.folder, "ca", names=(), common_name="sluice test CA")
        self.ca_file = own.certificate_file
        self.key_file = own.key_file

    def issue(self, name, names=LOOPBACK_NAMES, common_name=None, expired=False):
        """A server or client certificate signed by this authority."""
        key, request = self.folder / f"{name}.key", self.folder / f"{name}.csr"
        certificate = self.folder / f"{name}.pem"
        _openssl("req", "-new", *_new_key(key), "-subj", f"/CN={common_name or name}", "-out", request)
        days = ("-days", "-1") if expired else ("-days", "30")
        extensions = self.folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={','.join(names)}\n" if names else "")
        _openssl("x509", "-req", "-in", request, "-CA", self.ca_file, "-CAkey", self.key_file,
                 "-CAcreateserial", *days, "-extfile", extensions, "-out", certificate)
        return Certificate(certificate, key)


def self_signed(folder, name, names=LOOPBACK_NAMES, common_name=None):
    """A certificate nobody has signed but itself."""
    folder = Path(folder)
    key, certificate = folder / f"{name}.key", folder / f"{name}.pem"
    extension = ("-addext", f"subjectAltName={','.join(names)}") if names else ()
    _openssl("req", "-x509", *_new_key(key), "-days", "30", "-subj", f"/CN={common_name or name}",
             *extension, "-out", certificate)
    return Certificate(certificate, key)


def _new_key(path):
    return "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", path


def _openssl(*arguments):
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {arguments[0]} failed: {done.stderr.strip()}")
