"""Make the secrets of deploy/compose.yml where they are missing, in compose/secrets.

    python3 deploy/compose/make_secrets.py [FOLDER]

An admin's token for people and programs, and a key of the S3 for its server and for Heliograph.
Needs nothing but Python. The folder is its owner's alone; the files in it can be read by the users
that the containers have.
"""

import json
import secrets
import sys
from pathlib import Path


def main(folder: Path) -> None:
    """Make what is missing, and say what was made."""
    folder.mkdir(mode=0o700, exist_ok=True)
    write(folder / "tokens", secrets.token_urlsafe(32) + "\n")
    server, client = folder / "s3_server", folder / "s3_credentials"
    if server.exists() != client.exists():
        sys.exit(f"Of {server} and {client} one is missing: delete the other one too")
    if server.exists():
        return
    name, secret = "heliograph", secrets.token_urlsafe(32)
    key = {"accessKey": name, "secretKey": secret}
    actions = ["Admin", "Read", "List", "Tagging", "Write"]
    identity = {"name": name, "credentials": [key], "actions": actions}
    write(server, json.dumps({"identities": [identity]}, indent=1) + "\n")
    write(client, f"[default]\naws_access_key_id = {name}\naws_secret_access_key = {secret}\n")


def write(path: Path, content: str) -> None:
    """Write a file that is missing."""
    if path.exists():
        return
    with path.open("x", encoding="utf-8") as file:
        file.write(content)
    path.chmod(0o444)
    print(f"made {path}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("secrets"))
