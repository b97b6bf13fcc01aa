"""Ask the server of a data folder whether it lives: exit status 0 if so, 1 otherwise.

    python healthcheck.py /data

The address is the one that the server has written down there; a certificate is not checked, as it
is for another name. Needs nothing but Python.
"""

import ssl
import sys
import urllib.request
from pathlib import Path

PATIENCE_SECONDS = 5


def main(folder: str) -> int:
    """Return the exit status, and print why it is not 0."""
    try:
        address = (Path(folder) / "address").read_text(encoding="utf-8").partition("\n")[0]
        here = address.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
        unchecked = ssl.create_default_context()
        unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
        direct = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=unchecked)
        )
        with direct.open(f"{here}healthz", timeout=PATIENCE_SECONDS):
            return 0
    except (OSError, ValueError) as error:
        print(f"The server does not answer: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
