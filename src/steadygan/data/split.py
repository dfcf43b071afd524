"""Which images are trained on and which are held out: by content, or as given."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def split_by_content(
    digests: Sequence[bytes], labels: Sequence[int], holdout: float
) -> tuple[np.ndarray, np.ndarray]:
    """Rows for training and rows held out, as int64 indices, each ordered by digest.

    A function of content alone, not of names or times. Equal digests stay on one side; each class
    gives its share to within one image, and keeps one to train on; each side has at least one.
    Needs two different digests.
    """
    first_label: dict[bytes, int] = {}
    for digest, label in zip(digests, labels, strict=True):
        first_label[digest] = min(label, first_label.get(digest, label))
    ranked = sorted(first_label, key=lambda digest: (first_label[digest], digest))
    # Every 1/holdout-th of the list sorted by class: the shares come out even by class.
    held = {
        digest
        for rank, digest in enumerate(ranked)
        if int(holdout * (rank + 1) + 0.5) > int(holdout * rank + 0.5)
    }
    held = held or {ranked[-1]}
    # A class of which nothing is left to train on would be drawn, and never be learned.
    trained = {first_label[digest] for digest in ranked if digest not in held}
    back = set()
    for digest in ranked:
        if first_label[digest] not in trained:
            trained.add(first_label[digest])
            back.add(digest)
    held = held - back or held - {ranked[0]} or held
    return split_as_given(digests, labels, [digest in held for digest in digests])


def split_as_given(
    digests: Sequence[bytes], labels: Sequence[int], held: Sequence[bool]
) -> tuple[np.ndarray, np.ndarray]:
    """The rows that are not `held` and those that are, as int64 indices, each ordered by digest."""
    order = sorted(range(len(digests)), key=lambda row: (digests[row], labels[row]))
    train = [row for row in order if not held[row]]
    test = [row for row in order if held[row]]
    return np.array(train, dtype=np.int64), np.array(test, dtype=np.int64)


def without_trained(
    train: np.ndarray, test: np.ndarray, pixels: Sequence[bytes]
) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """The rows of `test` whose `pixels` (a digest a row) no row of `train` has; and the others,
    each with the first row of `train` that has the same."""
    trained = {pixels[row]: row for row in reversed(train.tolist())}
    kept = [row for row in test.tolist() if pixels[row] not in trained]
    known = [(row, trained[pixels[row]]) for row in test.tolist() if pixels[row] in trained]
    return np.array(kept, dtype=np.int64), known


def keys_of(files: Sequence[bytes], pixels: Sequence[bytes]) -> list[bytes]:
    """What each image is ordered and split by: the digest of its file, or the least of those of
    the files with the same pixels."""
    least: dict[bytes, bytes] = {}
    for file, image in zip(files, pixels, strict=True):
        least[image] = min(file, least.get(image, file))
    return [least[image] for image in pixels]
