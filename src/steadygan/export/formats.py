"""Files of a generator in formats that other programs run: ONNX, TorchScript, torch.export."""

from __future__ import annotations

import importlib.util
import logging
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from steadygan.errors import UserError
from steadygan.export.inputs import NamedInputs

#: What a file of the format is called.
FILES = {"onnx": "model.onnx", "torchscript": "model.torchscript", "pt2": "model.pt2"}
ONNX_PACKAGES = ("onnx", "onnxscript")
#: How far ONNX Runtime's samples may be from torch's.
ONNX_TOLERANCE = 1e-4


def require(form: str) -> None:
    """Raise UserError where a package that the format needs is missing."""
    missing = [name for name in ONNX_PACKAGES if importlib.util.find_spec(name) is None]
    if form == "onnx" and missing:
        raise UserError(
            f"--format onnx needs {' and '.join(missing)}: "
            "pip install -c constraints.txt 'steadygan[export]'"
        )


def write(form: str, module: NamedInputs, inputs: dict[str, Tensor], path: Path) -> None:
    """Write the module in a format; `inputs` are two or more samples'. Any number of samples may be
    asked of it. Raises UserError where the network cannot be written so."""
    writer: Callable[[NamedInputs, dict[str, Tensor], Path], None] = {
        "onnx": _onnx, "torchscript": _torchscript, "pt2": _pt2,
    }[form]  # fmt: skip
    try:
        with _quiet(), torch.no_grad():
            writer(module, inputs, path)
    except OSError:
        raise
    except Exception as error:  # each of the three raises kinds of its own
        first = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise UserError(f"--format {form}: this network cannot be written so: {first}") from error


def _onnx(module: NamedInputs, inputs: dict[str, Tensor], path: Path) -> None:
    torch.onnx.export(
        module, kwargs=inputs, f=path, input_names=list(inputs), output_names=["samples"],
        dynamo=True, dynamic_shapes=_any_batch(inputs), external_data=False, verbose=False,
    )  # fmt: skip


def _torchscript(module: NamedInputs, inputs: dict[str, Tensor], path: Path) -> None:
    torch.jit.save(torch.jit.trace(module, example_kwarg_inputs=inputs), path)


def _pt2(module: NamedInputs, inputs: dict[str, Tensor], path: Path) -> None:
    shapes = _any_batch(inputs)
    exported = torch.export.export(module, (), inputs, dynamic_shapes=shapes)
    torch.export.save(exported, path)


def _any_batch(inputs: dict[str, Tensor]) -> dict[str, dict[int, torch.export.Dim]]:
    """The first axis of each input may have any length."""
    batch = torch.export.Dim("batch", min=1)
    return {name: {0: batch} for name in inputs}


@contextmanager
def _quiet() -> Iterator[None]:
    """Exporters' own notes to developers are not the user's."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


def run_onnx(path: str | os.PathLike, inputs: dict[str, Tensor]) -> Tensor:
    """The samples that ONNX Runtime gives."""
    import onnxruntime

    session = onnxruntime.InferenceSession(os.fspath(path), providers=["CPUExecutionProvider"])
    arrays = {name: value.numpy() for name, value in inputs.items()}
    return torch.from_numpy(session.run(None, arrays)[0])
