"""Whether a run's samples are measured in features that its discriminator looks through."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: What a reader of such distances has to know.
FLATTERED = (
    "D looks through the network of these features, and G is trained to be near in them: they "
    "flatter its samples, so look at those"
)


def looked_through(facts: Mapping[str, Any], features: object) -> bool:
    """Whether the D of a run (`facts` is run.json) sees images by the network of `features`, such
    as `effnet-64`."""
    found: Any = facts
    for key in ("recipe", "networks", "features"):
        found = found.get(key) if isinstance(found, Mapping) else None
    return bool(found) and isinstance(features, str) and features.split("-")[0] == found
