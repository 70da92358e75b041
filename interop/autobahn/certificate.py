# Python 2.7, run by the suite's own interpreter, which brings pyOpenSSL.
"""Makes a self-signed certificate for 127.0.0.1 and its key: certificate.py CERTIFICATE KEY"""

import sys

from OpenSSL import crypto

DAY = 24 * 60 * 60

key = crypto.PKey()
key.generate_key(crypto.TYPE_RSA, 2048)
certificate = crypto.X509()
certificate.set_version(2)  # X.509 v3: only that can name an address
certificate.set_serial_number(1)
certificate.get_subject().CN = "Autobahn"
certificate.set_issuer(certificate.get_subject())
certificate.gmtime_adj_notBefore(-DAY)
certificate.gmtime_adj_notAfter(DAY)
certificate.set_pubkey(key)
certificate.add_extensions([crypto.X509Extension("subjectAltName", False, "IP:127.0.0.1, DNS:localhost")])
certificate.sign(key, "sha256")
with open(sys.argv[1], "wb") as out:
    out.write(crypto.dump_certificate(crypto.FILETYPE_PEM, certificate))
with open(sys.argv[2], "wb") as out:
    out.write(crypto.dump_privatekey(crypto.FILETYPE_PEM, key))
