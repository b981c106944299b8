"""What a client was told: the other half of every durability claim. Thread-safe."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field


@dataclass
class Entry:
    """One sandbox id, used once. `unknown` means that the call got no answer: either outcome is right."""

    create: str = ""  # "acked", "refused", "unknown"
    delete: str = ""


@dataclass
class Ledger:
    """Answers by sandbox id."""

    entries: dict[str, Entry] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def created(self, id: str, answer: str) -> None:
        with self.lock:
            self.entries.setdefault(id, Entry()).create = answer

    def deleted(self, id: str, answer: str) -> None:
        with self.lock:
            self.entries.setdefault(id, Entry()).delete = answer

    def living(self) -> list[str]:
        """Ids whose create was acknowledged and whose delete was never tried."""
        with self.lock:
            return [id for id, entry in self.entries.items() if entry.create == "acked" and not entry.delete]

    def count(self, create: str = "", delete: str = "") -> int:
        with self.lock:
            return sum(
                (not create or entry.create == create) and (not delete or entry.delete == delete)
                for entry in self.entries.values()
            )

    def compare(self, listed: dict[str, str]) -> list[str]:
        """Differences between what was acknowledged and {id: phase} as the API lists it."""
        problems = []
        with self.lock:
            for id, entry in self.entries.items():
                if entry.create == "acked" and not entry.delete and id not in listed:
                    problems.append(f"{id}: its create was acknowledged, nobody deleted it, and it is gone")
                if entry.create == "refused" and id in listed:
                    problems.append(f"{id}: its create was refused, and it exists")
                if entry.delete == "acked" and id in listed:
                    problems.append(f"{id}: its delete was acknowledged, and it is still there ({listed[id]})")
            problems += [f"{id}: nobody asked for it" for id in listed if id not in self.entries]
        return problems
