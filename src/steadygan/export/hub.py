"""An exported generator on a hub: `push`, by huggingface_hub."""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from steadygan.errors import UserError
from steadygan.export.folder import export


def push(
    run: str | Path,
    name: str,
    *,
    dry_run: bool = False,
    public: bool = False,
    at: str = "last",
    form: Sequence[str] = (),
    as_uint8: bool = False,
    say: Callable[[str], None] = print,
    trust_code: bool = False,
) -> str:
    """Export a run (see `export`) and upload the folder as the model repository `name`.

    A repository that is not there is made, private unless `public`; one that is there gets one
    commit more and stays as visible as it is. The account is the one that `hf auth login` or
    HF_TOKEN names. With `dry_run` nothing is sent: each file is said with its size. Returns the
    address of the repository. Raises UserError without the extra `hub`, for a name that is not
    OWNER/NAME, without an account, where the hub refuses, and for what `export` does.
    """
    hub = _library()
    _check_name(hub, name)
    api = hub.HfApi(library_name="steadygan")
    with tempfile.TemporaryDirectory(prefix="steadygan-push-") as home:
        folder = export(run, Path(home) / "model", at=at, form=form, as_uint8=as_uint8, say=say,
                        trust_code=trust_code)  # fmt: skip
        address = f"{api.endpoint}/{name}"
        if dry_run:
            for path in sorted(folder.iterdir()):
                say(f"{path.stat().st_size:>12,} bytes  {path.name}")
            say(f"would go to {address}, {'public' if public else 'private'} if it is made by this")
            return address
        try:
            api.create_repo(name, repo_type="model", private=not public, exist_ok=True)
            message = f"{Path(run).name}, exported by steadygan"
            api.upload_folder(repo_id=name, folder_path=folder, commit_message=message)
        except (hub.errors.HTTPError, OSError, ValueError) as error:
            raise UserError(f"push {name}: {_reason(hub, error)}") from None
    return address


def _library() -> Any:
    try:
        for module in ("errors", "utils"):
            importlib.import_module(f"huggingface_hub.{module}")
        return importlib.import_module("huggingface_hub")
    except ImportError:
        raise UserError(
            "push needs the extra `hub`: pip install -c constraints.txt 'steadygan[hub]'"
        ) from None


def _check_name(hub: Any, name: str) -> None:
    try:
        hub.utils.validate_repo_id(name)
        if name.count("/") == 1:
            return
    except hub.errors.HFValidationError:
        pass
    raise UserError(f"push {name}: write the repository as OWNER/NAME, in letters, digits, - _ .")


def _reason(hub: Any, error: Exception) -> str:
    """Why the hub was not reached or refused, in one line with what to do."""
    if isinstance(error, hub.errors.LocalTokenNotFoundError):
        return "no account is known here; `hf auth login` stores one, or set HF_TOKEN"
    status = getattr(getattr(error, "response", None), "status_code", None)
    told = getattr(error, "server_message", None) or next(iter(str(error).splitlines()), "")
    if status == 401:
        return f"the hub does not know this account (401: {told}); `hf auth login` stores another"
    if status == 403:
        return f"this account may not write there (403: {told}); is its token one that may write?"
    kind = type(error).__name__
    return f"the hub was not reached or refused ({kind}: {told}); no file was uploaded"
