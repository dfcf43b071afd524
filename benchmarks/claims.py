"""The studies behind docs/claims.md: what the sources claim of their methods, over seeds.

    python -m benchmarks.claims list
    python -m benchmarks.claims run ring --out claims [--jobs 2]
    steadygan table claims/ring

`list` prints each study's command, which can be pasted; `run` runs one, and goes on where an
earlier call was cut off. All runs count steps and compute with one thread, so what they learn
depends on no other work of the machine. The seeds 0 to 5 (0 to 15 on the ring) chose no setting:
the presets were tuned on others.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Study:
    """A `steadygan compare`: the methods, what all of them share, and what it is to show."""

    about: str
    methods: tuple[str, ...]
    shared: str
    seeds: int = 6

    def command(self, out: Path, jobs: int) -> list[str]:
        """The command that writes to `out`, `jobs` runs at a time."""
        given = ["steadygan", "compare", *self.methods, *shlex.split(self.shared)]
        given += ["horizon=budget", "threads=1", "--device", "cpu", "--seeds", str(self.seeds)]
        return [*given, "--jobs", str(jobs), "--out", str(out)]


_RING = "--data ring preset=light --steps {} --evaluate-every {}"

STUDIES = {
    "digits": Study(
        "GAN, InfoGAN, WGAN-GP and DCGAN on digits for 2,000 iterations",
        ("gan", "infogan", "wgan-gp", "dcgan"),
        "--data mnist preset=light log_every=5 --steps 2000 --evaluate-every 250 --count 2000",
    ),
    "ring": Study(
        "SNGAN with L2-norm constraints on G, on D and on both: eight Gaussians on a circle",
        ("sngan", "sngan-gl2", "sngan-dl2", "sngan-l2"),
        _RING.format(1200, 300),
        seeds=16,
    ),
    "ring-weights": Study(
        "the weights of both constraints",
        tuple(
            f"{method}:{part}.weight={weight}"
            for method, part in (("sngan-gl2", "generator-l2"), ("sngan-dl2", "discriminator-l2"))
            for weight in (0.01, 0.05, 0.1, 0.5, 1.0)
        ),
        _RING.format(600, 300),
        seeds=16,
    ),
    "ring-variants": Study(
        "other readings of the two constraints",
        (
            "sngan",
            *(
                f"sngan-gl2:generator-l2.kind={kind}"
                for kind in ("pair_sq", "batch_mean", "nearest")
            ),
            "sngan-dl2:discriminator-l2.kind=mean",
            "sngan-dl2:discriminator-l2.on=probabilities",
        ),
        _RING.format(600, 300),
        seeds=16,
    ),
    "constraints": Study(
        "the same four on garments, 28 px",
        ("sngan", "sngan-gl2", "sngan-dl2", "sngan-l2"),
        "--data fashion-mnist size=28 preset=light --steps 600 --evaluate-every 150 --count 2000",
    ),
    "tricks": Study(
        "each trick of the bag alone and all together, on DCGAN and garments",
        (
            "dcgan",
            "dcgan:label-noise=true",
            "dcgan:soft-labels=true",
            "dcgan:instance-noise=true",
            "dcgan:dropout=true",
            "dcgan:joint_batches=true",
            "dcgan:g_steps=2",
            "dcgan:feature-matching=true",
            "dcgan:prior=normal",
        ),
        "--data fashion-mnist size=28 preset=light --steps 1000 --evaluate-every 250 --count 2000",
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("action", choices=["list", "run"])
    parser.add_argument("study", nargs="?", choices=list(STUDIES))
    parser.add_argument("--out", type=Path, default=Path("claims"))
    parser.add_argument("--jobs", type=int, default=1)
    args = parser.parse_args()
    if args.action == "list":
        for name, study in STUDIES.items():
            print(f"{name}: {study.about}")
            print(f"    {shlex.join(study.command(args.out / name, args.jobs))}")
        return
    if args.study is None:
        parser.error(f"run needs the name of a study: {', '.join(STUDIES)}")
    command = STUDIES[args.study].command(args.out / args.study, args.jobs)
    sys.exit(subprocess.run([sys.executable, "-m", *command]).returncode)


if __name__ == "__main__":
    main()
