"""Write docs/symptoms.md from the symptom files: `python tools/list_symptoms.py`."""

from __future__ import annotations

import sys
from pathlib import Path

from steadygan.diagnosis.symptoms import symptoms

PAGE = Path(__file__).parents[1] / "docs" / "symptoms.md"
HEAD = """# Symptoms

What `steadygan diagnose` and `steadygan.watch` look for: how it shows, why, and its source.
Each is a file in `src/steadygan/diagnosis/symptoms/`, whose docstring this page repeats
(`python tools/list_symptoms.py`); the code beside it holds the limits. How often they are right:
[diagnosis.md](diagnosis.md).
"""


def page() -> str:
    """The page as text."""
    parts = [HEAD]
    for name, look in symptoms().items():
        doc = (sys.modules[look.__module__].__doc__ or "").strip()
        parts.append(f"## {name}\n\n{doc}\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page())
