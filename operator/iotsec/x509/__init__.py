"""X.509 as a Hub's own PKI needs it: keys, authorities, certificates, requests, bundles, and word of what is revoked.

Pure functions of their arguments on `cryptography`: instants are unix seconds, serials and keys are passed in, and the
same arguments make the same bytes to sign. The rules are those of RFC 5280; the CA/Browser Forum's are for the web.
"""
