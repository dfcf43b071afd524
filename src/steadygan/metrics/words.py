"""A result of `evaluate` in words, for the terminal."""

from __future__ import annotations

from typing import Any

#: Features whose distances need no suffix: those of the published Inception network.
PLAIN = "inception"


def distance_name(distance: str, features: str) -> str:
    """`FID`, or `FID-classifier`: a distance carries the name of its features."""
    return distance if features == PLAIN else f"{distance}-{features}"


def in_words(result: dict[str, Any]) -> str:
    """The result as lines of name, value and what to read it against."""
    lines = _points(result) if "high_quality" in result else _images(result)
    width = max(len(name) for name, _, _ in lines)
    rows = [f"{name:{width}}  {value:>10}  {more}".rstrip() for name, value, more in lines]
    return "\n".join([*rows, *(f"note: {note}" for note in result.get("notes", []))])


def _points(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    real = found["real"]
    return [
        ("modes", str(found["modes"]), f"of {found['modes_in_data']}"),
        ("high quality", _share(found["high_quality"]), f"real: {_share(real['high_quality'])}"),
        ("entropy of modes", _number(found["mode_entropy"]), "nats"),
        ("JS to uniform", _number(found["mode_js"]), f"real: {_number(real['mode_js'])}"),
        ("samples", f"{found['count']:,}", f"against {found['data']}"),
    ]


def _images(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    itself, name = found["real_against_real"], found["features"]
    scored = _spread(found["inception_score_real"], found["inception_score_real_std"])
    own = f"± {_number(found['inception_score_std'])}, real: {scored}"
    lines = [
        (distance_name("FID", name), _number(found["fid"]),
         f"real against real at this count: {_number(itself['fid'])}"),
        *(
            [(distance_name("energy distance", name), _number(found["energy_distance"]),
              f"real against real at this count: {_number(itself.get('energy_distance'))}")]
            if "energy_distance" in found else []
        ),
        (distance_name("KID", name), _number(found["kid"]), f"± {_number(found['kid_std'])}"),
        (distance_name("inception score", name), _number(found["inception_score"]), own),
    ]  # fmt: skip
    for key in ("precision", "recall", "density", "coverage"):
        more = f"real against real: {_number(itself.get(key))}"
        if found[f"{key}_published"] != found[key]:  # by balls of any size
            more += f", by the published definition: {_number(found[f'{key}_published'])}"
        lines.append((key, _number(found[key]), more))
    sharp = f"real: {_number(found['sharpness_real'])}, {found['settings']['sharpness']}"
    lines.append(("sharpness", _number(found["sharpness"]), sharp))
    if "modes" in found:
        of = f"of {found['modes_in_data']}, reverse KL {_number(found['reverse_kl'])} nats"
        lines.append(("modes", str(found["modes"]), of))
    if "legibility" in found:
        read = found["legibility"]
        real = f"real: {_share(read['accuracy_real'])}, {read['model']}"
        lines.append(("read correctly", _share(read["accuracy"]), real))
        of_real = f"real: {_number(read['p_real'])}"
        lines.append(("p of the character", _number(read["p"]), of_real))
    if "classes" in found:
        each = found["classes"]
        seen = f"KL of classes to the data's, {each['covered']} of {each['classes']} covered"
        lines.append(("class histogram", _number(each["kl"]), seen))
    copied, born = found["memorisation"], found["birthday"]
    lines.append(
        ("copied", _share(copied["copied"]),
         f"of {copied['nearest_images']:,} nearest images training's: "
         f"{_share(copied['nearest_is_train'])}, "
         f"expected: {_share(copied['expected'])}"),
    )  # fmt: skip
    if "nearest" in found:  # results of before have none
        near = found["nearest"]
        lines.append(
            ("nearest image", _number(near["median"]),
             f"median distance by features; of a real image to another: "
             f"{_number(near['among_real'])}"),
        )  # fmt: skip
    at_least = "" if born["support"] else "at least "
    size = born["support"] or born["support_at_least"]
    lines.append(
        ("support", f"{at_least}{size:,.0f}", f"{born['duplicates']} pairs too near to differ")
    )
    return [*lines, *_conditions(found)]


def _conditions(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    """What the numbers depend on."""
    accuracy = found["feature_accuracy"]
    grade = f", accuracy {_share(accuracy, 2)}" if accuracy is not None else ""
    reference = found["reference"]
    part = {"train": "training", "test": "held-out"}[reference["split"]]
    return [
        ("features", found["features"],
         f"{found['feature_dimension']}-d{grade}, hash {found['feature_hash'][:12]}, resize: "
         f"{found['resize']}"),
        ("samples", f"{found['count']:,}",
         f"against {reference['count']:,} {part} images of {found['data']}; precision to coverage: "
         f"{found['settings']['neighbours']:,} a side"),
    ]  # fmt: skip


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _spread(mean: float, std: float) -> str:
    return f"{_number(mean)} ± {_number(std)}"


def _share(value: float | None, digits: int = 1) -> str:
    return "-" if value is None else f"{value:.{digits}%}"
