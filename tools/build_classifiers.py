"""Make the two classifiers of the shipped digits that ship in src/steadygan/features/shipped.

    python tools/build_classifiers.py                # 3 minutes on 2 cores

One judges which samples are recognised as digits, the other gives the features that distances are
taken between. Both are trained as for any other data set. Run it again when `VERSION` of either
module, the digits or what is trained changes: tests/measures/test_shipped.py then fails.

Weights of two or more dimensions are stored in half precision, which halves the files; the accuracy
beside them is that of the stored weights.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType

from torch import Tensor, nn

from steadygan.data import Dataset, open_data
from steadygan.features import classifier, feature_classifier
from steadygan.features.cached import SHIPPED, key_text
from steadygan.training import checkpoint

Accuracy = Callable[[nn.Module, Dataset], float]


def stored(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights as they are written: matrices and kernels in half precision."""
    return {name: t.half() if t.dim() > 1 else t for name, t in tensors.items()}


def show(done: int, total: int) -> None:
    """A line on stderr every 100 steps."""
    if done % 100 == 0 or done == total:
        print(f"step {done:,} of {total:,}", file=sys.stderr, flush=True)


def write(module: ModuleType, accuracy_of: Accuracy, digits: Dataset) -> None:
    """Train the classifier of `module` on the digits and write its file."""
    network = module.trained(digits, show)
    tensors = stored(network.state_dict())
    network.load_state_dict(tensors)
    accuracy = accuracy_of(network, digits)
    path = SHIPPED / f"{module.KIND}.safetensors"
    info = {"key": key_text(module.key_of(digits)), "facts": {"accuracy": accuracy}}
    path.write_bytes(checkpoint.to_bytes(tensors, info))
    print(f"{path.name}: {path.stat().st_size:,} bytes, held-out accuracy {accuracy:.4f}")


def main() -> None:
    """Write both files."""
    digits = open_data("mnist")
    SHIPPED.mkdir(exist_ok=True)
    write(classifier, classifier.held_out_accuracy, digits)
    write(feature_classifier, feature_classifier.accuracy_of, digits)


if __name__ == "__main__":
    main()
