"""InfoGAN's purity on MNIST: do its categories become digits? The median over training seeds.

python -m benchmarks.infogan_purity [--budget 45s] [--seeds 0,1,2] [key=value ...]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

from steadygan.cli.options import minutes, say
from steadygan.data import open_data
from steadygan.methods import find
from steadygan.metrics.purity import purity_of_run
from steadygan.study.bars import bars
from steadygan.study.compose import compose
from steadygan.study.progress import RunBar
from steadygan.study.request import read_request
from steadygan.training import Hooks, train
from steadygan.training.runfolder import read_facts
from steadygan.training.runs import goal_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--budget", default="45s")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("settings", nargs="*", default=["preset=light"])
    asked = parser.parse_args()
    budget = minutes(asked.budget, "--budget")
    data, method = open_data("mnist"), find("infogan")
    recipe = compose(method, data.shape, read_request(asked.settings).recipe)
    found = []
    with tempfile.TemporaryDirectory() as folder, bars() as progress:
        for seed in map(int, asked.seeds.split(",")):
            hooks = Hooks(RunBar(progress, f"infogan seed {seed}", goal_of(None, budget)))
            run = Path(folder) / f"s{seed}"
            train(recipe, data, out=run, budget_minutes=budget, seed=seed, hooks=hooks)
            found.append(purity_of_run(run, data, say=say))
            steps = read_facts(run)["status"]["step"]
            print(f"seed {seed}: purity {found[-1]:.3f} after {steps} steps", flush=True)
    print(f"median of {len(found)} seeds: {statistics.median(found):.3f}")


if __name__ == "__main__":
    main()
