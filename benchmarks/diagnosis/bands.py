"""Write what good runs of each method show, for the numbers of a diagnosis.

    python -m benchmarks.diagnosis.bands RUNS.jsonl[.gz]...

Of untouched runs that are good by outcome: from the 5th to the 95th percentile of each signal's
late value, for each method with `LEAST` of them or more; written to
src/steadygan/diagnosis/bands.json. Signals that grow with the length of a run (the movement of
weights) are left out. Printed: how many untouched runs of each method are good, and the mean share
of samples that the classifier recognises, by data set.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np

from benchmarks.diagnosis.score import runs_of, truth
from steadygan.diagnosis import evidence
from steadygan.diagnosis.evidence import Evidence

#: Signals that do not depend on how long a run is.
SIGNALS = (
    "diversity", "duplicates", "rank", "auc", "auc_heldout", "auc_memory", "d_gain", "g_gain",
    "mode_gap", "code_effect", "slope", "classes", "class_spread", "reconstruction", "saturated",
)  # fmt: skip
LEAST = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+")
    asked = parser.parse_args()
    seen: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    shares: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    good: Counter[str] = Counter()
    for line in (line for path in asked.runs for line in runs_of(path)):
        if not line["kind"].startswith("healthy"):
            continue
        shares[line["method"]][line["data"]].append(line["outcome"]["share"])
        if truth(line) != "good":
            continue
        good[line["method"]] += 1
        run = Evidence(line["facts"], line["history"])
        for key in SIGNALS:
            if (value := run.late(key)) is not None:
                seen[run.method][key].append(value)
    bands = {
        method: {key: [float(f"{end:.2g}") for end in np.quantile(values, (0.05, 0.95))]
                 for key, values in sorted(found.items()) if len(values) >= LEAST}
        for method, found in sorted(seen.items())
    }  # fmt: skip
    bands = {method: found for method, found in bands.items() if found}
    of_method = (f"{json.dumps(method)}: {json.dumps(found)}" for method, found in bands.items())
    evidence.BANDS.write_text("{\n" + ",\n".join(of_method) + "\n}\n")
    for method, found in sorted(shares.items()):
        of = sum(map(len, found.values()))
        said = ", ".join(f"{np.mean(each):.2f} {data}" for data, each in sorted(found.items()))
        print(f"{method}: {good[method]} of {of} good; recognised {said}")


if __name__ == "__main__":
    main()
