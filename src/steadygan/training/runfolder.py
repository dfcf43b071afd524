"""The run folder: what crosses from training to measures and report, and nothing else does.

run.json, history.jsonl, samples/, checkpoints/, report.html. One writer at a time holds its lock.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from steadygan import locks
from steadygan.errors import UserError
from steadygan.files import json_text, why, write_whole
from steadygan.records import history_lines, read_facts, read_history
from steadygan.training.checkpoint import listed

__all__ = ["RunFolder", "read_facts", "read_history"]


class RunFolder:
    """A run's folder, opened for writing under its lock. Close it, or use it as a context."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def samples(self) -> Path:
        return self.path / "samples"

    @property
    def history_path(self) -> Path:
        return self.path / "history.jsonl"

    # ---- opening -----------------------------------------------------------------------------

    @classmethod
    def create(cls, path: Path) -> RunFolder:
        """Make a folder for a new run. Refused: one that holds a run, or cannot be written."""
        try:
            path.mkdir(parents=True, exist_ok=True)
            folder = cls(path)
            if not (path / locks.NAME).exists():
                folder._require_free()  # before the lock, which would leave a file there
            folder._acquire()
            folder._require_free()
            folder.checkpoints.mkdir(exist_ok=True)
            folder.samples.mkdir(exist_ok=True)
        except OSError as error:
            raise UserError(why(error, path)) from None
        return folder

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """Open an existing run for writing."""
        if not (path / "run.json").exists():
            there = "no such folder" if not path.exists() else "no run.json in it"
            raise UserError(f"{path}: is no run folder ({there})")
        folder = cls(path)
        try:
            folder._acquire()
        except OSError as error:
            raise UserError(why(error, path)) from None
        return folder

    def _require_free(self) -> None:
        """Refuse a folder that holds a run, or anything else."""
        if listed(self.checkpoints) or self.history_path.exists():
            self.close()
            raise UserError(
                f"--out {self.path}: holds another run; resume it with `steadygan resume "
                f"{self.path}` or give another folder"
            )
        own = OWN_NAMES | {part.name for part in self._parts()}
        strangers = sorted(p.name for p in self.path.iterdir() if p.name not in own)
        if strangers:
            self.close()
            raise UserError(f"--out {self.path}: not empty ({strangers[0]}); give another folder")

    def _acquire(self) -> None:
        busy = f"{self.path}: another process is writing this run; wait for it or stop it"
        self._lock = locks.acquire(self.path, busy)
        for part in self._parts():
            part.unlink(missing_ok=True)

    def _parts(self) -> list[Path]:
        """What writers that were killed left beside their files."""
        found = [self.path.glob(f".{name}.*.part") for name in ("run.json", "history.jsonl")]
        found.append(self.samples.glob(".*step-*.png.*.part"))
        return [part for parts in found for part in parts]

    def close(self) -> None:
        """Give the lock back."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- run.json ----------------------------------------------------------------------------

    def write_facts(self, facts: dict[str, Any]) -> None:
        """Write run.json whole."""
        write_whole(self.path / "run.json", json_text(facts))

    def update_facts(self, **changes: Any) -> dict[str, Any]:
        """Change some keys of run.json; the facts as they are now."""
        facts = {**read_facts(self.path), **changes}
        self.write_facts(facts)
        return facts

    # ---- history.jsonl -----------------------------------------------------------------------

    def append(self, line: dict[str, Any]) -> None:
        """Add one history line in one write, so that a kill leaves at most the last one torn."""
        text = json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n"
        try:
            with self.history_path.open("a", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise UserError(why(error, self.history_path)) from None

    def sync_history(self) -> None:
        """Make the history durable before a checkpoint that counts on it."""
        if self.history_path.exists():
            with self.history_path.open("rb") as file:
                os.fsync(file.fileno())

    def cut_history(self, step: int, say: Callable[[str], None] = print) -> None:
        """Drop lines after `step` and a torn last line: what a resumed run writes again.

        Lines that cannot be read are moved to history.bad.jsonl, and that is said.
        """
        kept, bad = [], []
        for line in history_lines(self.path):
            if line.facts is not None:
                kept += [line.raw.rstrip() + b"\n"] * (line.facts["step"] <= step)
            elif line.ended:
                bad.append(line.raw)
        if bad:
            self._keep_aside(bad)
            say(f"{self.history_path}: {len(bad)} line(s) that cannot be read are now in {BAD}")
        write_whole(self.history_path, b"".join(kept).decode())

    def _keep_aside(self, lines: list[bytes]) -> None:
        aside = self.path / BAD
        before = aside.read_bytes() if aside.is_file() else b""
        write_whole(aside, before + b"".join(lines))


#: Where lines of history.jsonl go that cannot be read.
BAD = "history.bad.jsonl"
OWN_NAMES = {
    "run.json", "history.jsonl", "probes.safetensors", "samples", "checkpoints", locks.NAME,
}  # fmt: skip
