"""R20: the web app in a process of its own, asked for what it must not give, told what nobody would
type, and used by many at once."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from steadygan.training import LogSchedule, train
from tests.reliability import games

#: What lies beside what the app shows.
SECRET = "the-secret-of-this-test"
#: What would be in an answer that holds a file which nobody was to get.
LEAKS = (SECRET.encode(), b"root:x:", b'"recipe"')
ROUTES = (
    "", "file=", "gradio_api/file=", "gradio_api/file/", "gradio_api/stream/",
    "gradio_api/download/", "gradio_api/proxy=", "proxy=", "static/", "assets/", "svelte/",
    "custom_component/x/client/", "gradio_api/custom_component/x/", "favicon/", "theme.css/",
    "gradio_api/call/", "gradio_api/heartbeat/",
    "gradio_api/deep_link?session_hash=", "gradio_api/startup-events/", "pages/", "monitoring/",
)  # fmt: skip
#: How a path is written by those who hope that it is not understood at once.
WRITTEN: tuple[Callable[[str], str], ...] = (
    lambda p: p, lambda p: p.lstrip("/"), lambda p: "/" + p, lambda p: "./" + p,
    lambda p: "../" * 12 + p.lstrip("/"), lambda p: "..%2f" * 12 + p.lstrip("/"),
    lambda p: "%2e%2e/" * 12 + p.lstrip("/"), lambda p: "%2e%2e%2f" * 12 + p.lstrip("/"),
    lambda p: "..%252f" * 12 + p.lstrip("/"), lambda p: "..%5c" * 12 + p.lstrip("/"),
    lambda p: "..\\" * 12 + p.lstrip("/"), lambda p: "....//" * 12 + p.lstrip("/"),
    lambda p: "..;/" * 12 + p.lstrip("/"), lambda p: "%c0%ae%c0%ae/" * 12 + p.lstrip("/"),
    lambda p: "%ef%bc%8f".join(["..", *p.split("/")]), lambda p: p.replace("/", "%2f"),
    lambda p: p.replace("/", "%252f"), lambda p: p.replace("/", "//"), lambda p: p + "%00.png",
    lambda p: p + "?x=.png", lambda p: p + "%23.png", lambda p: "file://" + p,
    lambda p: "file:%2f%2f" + p, lambda p: "/proc/self/root" + p, lambda p: "~root/.." + p,
    lambda p: "%2f" + p.lstrip("/"), lambda p: p + "/", lambda p: p + "/.", lambda p: p.upper(),
)  # fmt: skip
HOSTILE: tuple[Any, ...] = (
    None, "", " ", "x" * 100_000, "../..", "/etc/passwd", "run\0", "%2e%2e", "<script>", "${jndi}",
    "; rm -rf /", "永" * 5000, "\ud800", -1, 0, 10**9, 10**400, 1.5, -0.0, 1e308, float("nan"),
    float("inf"), -float("inf"), True, [], [None], ["run"] * 1000, [[[[[]]]]], {}, {"path": "/etc"},
    {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}},
    {"url": "http://127.0.0.1:1", "path": "x"},
)  # fmt: skip


class NoAnswer(AssertionError):
    """A call whose stream of news ended before its answer."""


@dataclass
class Served:
    """The app over `root`, at `url`."""

    url: str
    root: Path
    process: subprocess.Popen

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def memory(self) -> float:
        """MiB that are resident."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(text.partition("VmRSS:")[2].split()[0]) / 1024

    def config(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.url}/config", timeout=30) as answer:
            return json.load(answer)

    def call(self, handler: int, values: list[Any], session: str) -> dict[str, Any]:
        """The answer of a handler by its number: `success` and `output`. Raises NoAnswer where the
        stream ends without one, and errors of urllib where it is refused or takes two minutes."""
        asked = json.dumps({"fn_index": handler, "data": values, "session_hash": session})
        request = urllib.request.Request(
            f"{self.url}/gradio_api/queue/join",
            asked.encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            event = json.load(answer)["event_id"]
        stream = f"{self.url}/gradio_api/queue/data?session_hash={session}"
        with urllib.request.urlopen(stream, timeout=120) as lines:
            for line in lines:
                said = json.loads(line[5:]) if line.startswith(b"data:") else {}
                if said.get("event_id") == event and said["msg"] == "process_completed":
                    return said
        raise NoAnswer(f"handler {handler} gave no answer to {str(values)[:200]}")


@contextlib.contextmanager
def serving(root: Path, *more: str) -> Iterator[Served]:
    """The app over `root` in an environment that would open it, with secrets beside what it
    shows."""
    (root.parent / "secret.txt").write_text(SECRET)
    (root / ".env").write_text(SECRET)
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    wide = {"GRADIO_SHARE": "1", "GRADIO_SERVER_NAME": "0.0.0.0", "GRADIO_ALLOWED_PATHS": "/"}
    process = subprocess.Popen(
        [sys.executable, "-m", "steadygan", "studio", str(root), "--port", str(port), *more],
        cwd=root, env={**os.environ, **wide}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    served = Served(f"http://127.0.0.1:{port}", root, process)
    try:
        until_it_answers(served)
        yield served
    finally:
        process.terminate()
        process.wait()


def until_it_answers(served: Served, seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert served.process.poll() is None, "the app has ended"
        with contextlib.suppress(OSError), urllib.request.urlopen(served.url, timeout=5) as answer:
            if answer.status == 200:
                return
        time.sleep(0.1)
    raise AssertionError("the app does not answer")


def some_runs(root: Path) -> Path:
    """A folder with two runs."""
    torch.set_num_threads(1)
    schedule = LogSchedule(log_every=1, save_every=0, sample_every=2)
    for name, method in (("run", "gan"), ("coded", "infogan")):
        train(games.small(method), games.images(), out=root / name, steps=4, device="cpu",
              schedule=schedule, command=f"steadygan train {method}")  # fmt: skip
    return root


# ---- paths ---------------------------------------------------------------------------------------


def hostile_paths(count: int, folder: Path, tick: Callable[[], None] = lambda: None) -> str:
    """`count` paths at every route: no answer holds a file."""
    root = some_runs(folder / "runs")
    with serving(root) as served:
        paths = list(paths_of(root))[:count]
        assert len(paths) == count
        for path in paths:
            for route in ROUTES:
                text = asked(served, f"/{route}{path}")
                assert not any(leak in text for leak in LEAKS), (route, path)
            tick()
        until_it_answers(served)
    return f"{len(paths)} paths at {len(ROUTES)} routes"


def paths_of(root: Path) -> Iterator[str]:
    """Ways to write the paths of files that are there."""
    wanted = ("/etc/passwd", f"{root}/.env", f"{root.parent}/secret.txt", f"{root}/run/run.json",
              ".env", "run/run.json", "../secret.txt", "/proc/self/environ")  # fmt: skip
    found = dict.fromkeys(write(path) for write in WRITTEN for path in wanted)
    yield from found


def asked(served: Served, path: str) -> bytes:
    """The answer to a path as it is written; urllib would tidy it."""
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=5)
    try:
        connection.putrequest("GET", urllib.parse.quote(path, safe="/%?=&;:.\\~"))
        connection.endheaders()
        answer = connection.getresponse()
        # What streams has no end; a file would be in its beginning.
        return answer.read(4096) if "stream" in path or "heartbeat" in path else answer.read()
    except (http.client.HTTPException, OSError):
        return b""
    finally:
        connection.close()


# ---- inputs --------------------------------------------------------------------------------------


def hostile_inputs(count: int, folder: Path, tick: Callable[[], None] = lambda: None) -> str:
    """`count` calls of handlers with at least one value that nobody would choose: each is answered,
    no answer holds a file, and the app goes on in the memory that it had."""
    root, random_ = some_runs(folder / "runs"), random.Random(0)
    with serving(root) as served:
        config = served.config()
        listed = {each["id"]: each["props"].get("choices") for each in config["components"]}
        handlers = [each for each in config["dependencies"] if each["inputs"]]
        starts = {each["id"] for each in config["components"] if each["props"].get("value") in (
            "Start", "Train on")}  # fmt: skip
        starting = {each["id"] for each in handlers if each["targets"][0][0] in starts}
        assert len(starting) == 2
        refused, before = 0, served.memory()
        for number in range(count):
            handler = random_.choice(handlers)
            values = [_chosen(random_, listed.get(i)) for i in handler["inputs"]]
            if handler["id"] in starting:  # a value or two might do no harm, and start a training
                values = [random_.choice(HOSTILE) for _ in values]
            values[random_.randrange(len(values))] = random_.choice(HOSTILE)
            try:
                said = served.call(handler["id"], values, f"s{number}")
            except (NoAnswer, urllib.error.HTTPError, ValueError):
                refused += 1  # such as a text that cannot be encoded, which no error can quote
                until_it_answers(served)
            else:
                refused += not said["success"]
                assert not any(leak.decode() in json.dumps(said) for leak in LEAKS), values
            tick()
        until_it_answers(served)
        grown = served.memory() - before
    assert grown < 1000, f"{grown:.0f} MiB more"
    assert sorted(each.name for each in root.parent.iterdir()) == ["runs", "secret.txt"]
    assert {each.name for each in root.iterdir()} <= {".env", ".studio", "coded", "run"}
    return f"{count} calls, {refused} refused, {grown:.0f} MiB more memory"


def _chosen(random_: random.Random, choices: list[Any] | None) -> Any:
    """A value that a user could have chosen."""
    if choices:
        each = random_.choice(choices)
        return each[1] if isinstance(each, list | tuple) else each
    return random_.choice((0, 1, 4, 16, "run", "any"))


# ---- many at once --------------------------------------------------------------------------------


def many_clients(
    count: int, folder: Path, tick: Callable[[], None] = lambda: None, calls: int = 50
) -> str:
    """`count` clients with `calls` calls each at once: no error, and memory that stays flat."""
    root = some_runs(folder / "runs")
    with serving(root) as served:
        ids = _handlers_of(served)
        errors: list[str] = []

        def use(client: int) -> None:
            for number in range(calls):
                run = ("run", "coded")[(client + number) % 2]
                values = {
                    "draw": [run, False, number, 16, "any"], "watch": [run, 100],
                    "walk": [run, False, 0, 4, "any", None, None, 0.5],
                }  # fmt: skip
                kind = ("draw", "watch", "walk")[number % 3]
                try:
                    said = served.call(ids[kind], values[kind], f"client{client}")
                    if not said["success"]:
                        errors.append(str(said["output"])[:200])
                except Exception as error:  # whatever it is, it is what is counted
                    errors.append(f"{type(error).__name__}: {error}")
            tick()

        use(-1)  # generators are loaded, pages are warm
        before = served.memory()
        clients = [threading.Thread(target=use, args=(number,)) for number in range(count)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        grown = served.memory() - before
        until_it_answers(served)
    assert errors == []
    assert grown < 0.15 * before, f"{grown:.0f} MiB more than {before:.0f}"
    return f"{count} clients x {calls} calls, {grown:+.0f} MiB to {before:.0f}"


def _handlers_of(served: Served) -> dict[str, int]:
    """The numbers of three handlers, by what is clicked, changed or moved for them."""
    config = served.config()
    labels = {each["id"]: each["props"].get("label") or each["props"].get("value")
              for each in config["components"]}  # fmt: skip
    wanted = {"draw": ("Draw", "click"), "watch": ("Run", "change"),
              "walk": ("From the first to the second", "release")}  # fmt: skip
    found: dict[str, int] = {}
    for each in config["dependencies"]:
        target, event = each["targets"][0]
        for kind, asked_for in wanted.items():
            if (labels.get(target), event) == asked_for:
                found.setdefault(kind, each["id"])
    return found
