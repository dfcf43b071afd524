"""Words and numbers of the report: formatting for readers, and cleaning of text from run
folders."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from steadygan.stability.signals import number

NONE = "—"
_SCHEME = re.compile(r"https?:/+", re.IGNORECASE)
_BIDI = {*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C}


def heading(title: str) -> str:
    """A title with a capital."""
    return title[:1].upper() + title[1:]


def clean(value: Any) -> Any:
    """JSON from a run folder, made safe to show: nothing in it links out, hides or breaks writing.

    Web addresses lose their scheme (a report holds no address), control and direction marks and
    lone surrogates become U+FFFD, non-finite numbers become None.
    """
    if isinstance(value, str):
        return _clean_text(value)
    if isinstance(value, dict):
        return {_clean_text(str(key)): clean(item) for key, item in value.items()}
    if isinstance(value, list):
        return [clean(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


@lru_cache(maxsize=4096)  # the same keys come in every line of a history
def _clean_text(text: str) -> str:
    while _SCHEME.search(text):  # again, for what removing one scheme leaves: `hthttp://tp://`
        text = _SCHEME.sub("", text)
    return "".join("\ufffd" if _is_hidden(char) else char for char in text)


def _is_hidden(char: str) -> bool:
    return (unicodedata.category(char) in ("Cc", "Cs") and char not in "\n\t") or ord(char) in _BIDI


def words(value: Any) -> str:
    """Any JSON value as one short text, numbers as in a command; a dash for nothing."""
    if value is None or value == "":
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    if isinstance(value, list):
        return "(" + ", ".join(words(item) for item in value) + ")"
    return str(value)


def figure(value: Any, digits: int = 4) -> str:
    """A number to `digits` significant figures; whole numbers keep all of theirs."""
    finite = number(value)
    if finite is None:
        return NONE
    if finite == int(finite) and abs(finite) < 1e15:
        return count(finite)
    if abs(finite) >= 1000:
        return f"{finite:,.0f}".replace("-", "\u2212")
    return f"{finite:.{digits}g}".replace("-", "\u2212")


def count(value: Any) -> str:
    """A whole number with thousands marks: 57,600."""
    finite = number(value)
    return NONE if finite is None else f"{round(finite):,}".replace("-", "\u2212")


def percent(value: Any) -> str:
    """A share in [0, 1] as a percentage; small ones keep a decimal so that 0 means none."""
    share = number(value)
    if share is None:
        return NONE
    shown = 100 * share
    near_an_end = 0 < shown < 1 or 99 < shown < 100
    return f"{shown:.1f} %" if near_an_end else f"{shown:.0f} %"


def plus_minus(mean: Any, sd: Any = None) -> str:
    """A mean with its standard deviation where there is one: 23.41 ± 0.52, 0.871 ± 0.012."""
    return measured(mean) + (f" ± {figure(sd, 2)}" if number(sd) is not None else "")


def measured(value: Any) -> str:
    """A measure to as many figures as are worth reading: 23.41, 0.871."""
    finite = number(value)
    return figure(value, 3 if finite is not None and abs(finite) < 1 else 4)


def listed(texts: Iterable[str]) -> str:
    """Short texts in a row: 0, 1, 2."""
    return ", ".join(texts)


def duration(value: Any) -> str:
    """Seconds as people say them: 45.0 s, 3 min 20 s, 2 h 05 min."""
    seconds = number(value)
    if seconds is None:
        return NONE
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s" if rest else f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def rate(amount: Any, seconds: Any) -> float | None:
    """`amount` a second, or None where either is missing."""
    amount, seconds = number(amount), number(seconds)
    return amount / seconds if amount is not None and seconds else None
