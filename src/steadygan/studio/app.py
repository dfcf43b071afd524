"""The web app: its pages, and how it is served."""

from __future__ import annotations

import ipaddress
import os
import socket
import threading
from collections.abc import Iterable
from pathlib import Path

import gradio as gr

from steadygan.errors import UserError
from steadygan.studio import compare, explore, train, watch
from steadygan.studio.jobs import Jobs
from steadygan.studio.shelf import Shelf
from steadygan.studio.state import EVERY, Load, Studio, unused

#: Bytes of one upload at most.
MOST_UPLOADED = "2gb"
PAGES = {"Train": train.page, "Watch": watch.page, "Explore": explore.page,
         "Compare": compare.page, "Characters": compare.characters}  # fmt: skip
CSS = """
.gradio-container {
  width: 100% !important; min-width: 0 !important; max-width: min(1360px, 100vw) !important;
  margin: auto; box-sizing: border-box;
}
.gradio-container > *, .gradio-container .contain, .gradio-container .tabitem {
  width: 100%; min-width: 0; max-width: 100%; box-sizing: border-box;
}
.gradio-container .prose table { display: block; overflow-x: auto; border: 0 !important; }
.gradio-container .prose :is(td, th) {
  white-space: nowrap; word-break: normal; overflow-wrap: normal; font-size: 0.85em;
}
.gradio-container .prose td:last-child { white-space: normal; min-width: 8em; }
.gradio-container .block, .gradio-container .column { max-width: 100%; }
@media (max-width: 640px) {
  .gradio-container .main { padding: 8px !important; }
  .gradio-container .row { flex-wrap: wrap; }
  .gradio-container .row > * { min-width: 100% !important; }
  .gradio-container .tabitem { overflow-x: hidden; }
  .gradio-container .grid-container { grid-template-columns: repeat(4, 1fr) !important; }
}
"""


def studio_of(root: Path, images: Iterable[Path] = ()) -> Studio:
    """The app's state over a folder of runs; `images` may be trained on, and what was dropped."""
    root = root.resolve()
    root.mkdir(parents=True, exist_ok=True)
    jobs = Jobs(root)
    dropped = jobs.home / "images"
    places = [*images, *(sorted(dropped.iterdir()) if dropped.is_dir() else ())]
    named: dict[str, Path] = {}
    for place in places:
        if not place.exists():
            raise UserError(f"--images {place}: there is no such folder")
        named[unused(place.name, named)] = place.resolve()
    return Studio(Shelf(root), jobs, named)


def built(studio: Studio) -> gr.Blocks:
    """The pages."""
    with gr.Blocks(title="steadygan studio", analytics_enabled=False) as app:
        gr.Markdown("# steadygan studio")
        loads: list[Load] = []
        for title, page in PAGES.items():
            with gr.Tab(title):
                loads += page(studio)
        for load in loads:
            app.load(*load)
    return app


def is_local(host: str) -> bool:
    """Whether only this machine can reach a server bound to `host`."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def serve(
    root: Path, images: Iterable[Path] = (), *, host: str = "127.0.0.1", port: int = 7860,
    password: str | None = None,
) -> None:  # fmt: skip
    """Serve the app until it is stopped. Raises UserError for a host that others reach without a
    password, and for a port that is taken.

    Environment variables of gradio do not widen what is served: they are dropped.
    """
    if not is_local(host) and not password:
        raise UserError(f"--host {host}: others can reach it; give --password, too")
    require_free(host, port)
    for name in [name for name in os.environ if name.startswith("GRADIO_")]:
        del os.environ[name]
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    studio = studio_of(root, images)
    threading.Thread(target=studio.jobs.go_on, args=(EVERY,), daemon=True).start()
    app = built(studio)
    app.queue(default_concurrency_limit=2, max_size=100).launch(
        server_name=host, server_port=port, share=False, quiet=True, prevent_thread_lock=True,
        auth=None if password is None else ("studio", password), allowed_paths=[], css=CSS,
        max_file_size=MOST_UPLOADED, show_error=True, enable_monitoring=False, pwa=False,
        mcp_server=False, ssr_mode=False, footer_links=[],
    )  # fmt: skip
    app.block_thread()


def require_free(host: str, port: int) -> None:
    """Raise UserError where nothing can be served at the port."""
    try:
        with socket.create_server((host, port), family=family_of(host)):
            pass
    except OSError as error:
        raise UserError(f"--port {port}: is taken, give another ({error.strerror})") from None


def family_of(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
