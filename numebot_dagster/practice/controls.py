"""Find a running practice tournament, and call the control API that it has beside Numerai's."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from numebot_dagster.practice.creation import Credentials
from numebot_dagster.practice.rules.clock import Refused

ADDRESS_FILE = "practice.json"


class NotServed(Refused):
    """No practice tournament answers there; the text says how to start one."""


@dataclass(frozen=True)
class Address:
    """Where a practice tournament is served, and with which credentials."""

    url: str
    pid: int
    credentials: Credentials

    def dotenv(self) -> str:
        """Return the settings that point a client here, as lines of a `.env` file."""
        return (
            f"NUMERAI_API_URL={self.url}\n"
            f"NUMERAI_PUBLIC_ID={self.credentials.public_id}\n"
            f"NUMERAI_SECRET_KEY={self.credentials.secret_key}\n"
        )


def read_address(folder: Path) -> Address:
    """Return the address at which the tournament of a folder is or was last served.

    Raises:
        NotServed: It was never served.
    """
    path = folder / ADDRESS_FILE
    if not path.exists():
        raise NotServed(
            f"{folder} holds no practice tournament; start one with "
            f"`numebot practice serve --folder {folder}`"
        )
    values = json.loads(path.read_text(encoding="utf-8"))
    credentials = Credentials(values["public_id"], values["secret_key"])
    return Address(values["url"], values["pid"], credentials)


def write_address(folder: Path, address: Address) -> None:
    """Store where the tournament is served, readable by its owner only."""
    path = folder / ADDRESS_FILE
    temporary = path.with_suffix(".part")
    temporary.touch(mode=0o600)
    values = {"url": address.url, "pid": address.pid, **vars(address.credentials)}
    temporary.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    temporary.replace(path)


class Controls:
    """The control API of a running practice tournament."""

    def __init__(self, url: str, folder: Path | None = None) -> None:
        self.url = url
        self.folder = folder

    def state(self) -> dict[str, Any]:
        """Return clock, rounds, models and submissions."""
        return self._call("GET", "state")

    def advance(self, to: str | None = None, *, days: float = 0, hours: float = 0) -> str:
        """Move the clock forward and return its new instant; see `events.advance`."""
        return str(self._call("POST", "advance", to=to, days=days, hours=hours)["now"])

    def set_position(self, model: str, nmr: str, round_number: int | None = None) -> None:
        """Set the stake on a model, for one round or from the next one to close."""
        self._call("POST", "positions", model=model, nmr=nmr, round=round_number)

    def add_model(self, name: str) -> str:
        """Add a model slot and return its id."""
        return str(self._call("POST", "models", name=name)["id"])

    def add_key(self, name: str, *scopes: str) -> Credentials:
        """Create an API key with these scopes."""
        return Credentials(**self._call("POST", "tokens", name=name, scopes=list(scopes)))

    def faults(self) -> list[dict[str, Any]]:
        """Return all faults and how often they struck; see `PlacedFault`."""
        faults: list[dict[str, Any]] = self._call("GET", "faults")["faults"]
        return faults

    def add_fault(self, kind: str, **more: Any) -> int:
        """Add a fault and return its number; for `more` see `FaultBook.add`."""
        return int(self._call("POST", "faults", kind=kind, **more)["id"])

    def remove_faults(self, identifier: int | None = None) -> int:
        """Remove one fault or all of them, and return how many there were."""
        name = "faults" if identifier is None else f"faults/{identifier}"
        return int(self._call("DELETE", name)["removed"])

    def is_up(self) -> bool:
        """Return whether the tournament answers within five seconds."""
        try:
            return requests.get(f"{self.url}/practice/health", timeout=5).ok
        except requests.RequestException:
            return False

    def _call(self, method: str, name: str, /, **body: Any) -> dict[str, Any]:
        url = f"{self.url}/practice/{name}"
        try:
            answer = requests.request(method, url, json=body if body else None, timeout=600)
        except requests.ConnectionError as error:
            at = "" if self.folder is None else f" --folder {self.folder}"
            raise NotServed(
                f"no practice tournament answers at {self.url}; start it with "
                f"`numebot practice serve{at}`"
            ) from error
        if answer.status_code == 400:
            raise Refused(answer.json()["errors"][0]["message"])
        answer.raise_for_status()
        result: dict[str, Any] = answer.json()
        return result
