"""`steadygan push`, with the hub's own library against a server that answers as the hub does."""

import base64
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import huggingface_hub.constants
import pytest

from steadygan.errors import UserError
from steadygan.export import push
from steadygan.training import train
from tests.reliability import games

FILES = ["README.md", "config.json", "generator.py", "generator.safetensors", "samples.png"]


#: The library takes addresses of the hub alone.
PLACE = "https://huggingface.co"


class Hub(ThreadingHTTPServer):
    """Holds repositories in memory; answers `refuse` (a status) to every request, if given."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answers)
        self.made, self.files, self.asked, self.tokens, self.refuse = {}, {}, [], set(), None


class Answers(BaseHTTPRequestHandler):
    def do_POST(self):
        hub, body = self.server, self.rfile.read(int(self.headers["Content-Length"]))
        hub.asked.append(self.path)
        hub.tokens.add(self.headers["Authorization"])
        if hub.refuse:
            return self.answer({"error": "no"}, hub.refuse)
        if self.path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}"
            hub.made.setdefault(name, asked)
            return self.answer({"url": f"{PLACE}/{name}", "name": name})
        if self.path == "/api/validate-yaml":
            return self.answer({"errors": [], "warnings": []})
        if self.path.endswith("/preupload/main"):
            files = json.loads(body)["files"]
            modes = [
                {"path": each["path"], "uploadMode": "regular", "shouldIgnore": False}
                for each in files
            ]
            return self.answer({"files": modes})
        assert self.path == "/api/models/somebody/digits/commit/main"
        for line in map(json.loads, body.splitlines()):
            if line["key"] == "file":
                hub.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            else:
                hub.summary = line["value"]["summary"]
        return self.answer({"commitUrl": f"{PLACE}/somebody/digits/commit/0", "commitOid": "0"})

    def do_GET(self):
        self.server.asked.append(self.path)
        self.answer({"error": "not found"}, 404)

    def answer(self, data, status=200):
        text = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


@pytest.fixture
def hub(monkeypatch):
    with Hub() as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        at = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", at)
        monkeypatch.setenv("HF_TOKEN", "hf_secret")
        yield server
        server.shutdown()


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    """The library tries again after seconds."""
    monkeypatch.setattr(time, "sleep", lambda seconds: None)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("push") / "run"
    return train(games.small("gan"), games.images(), out=folder, steps=1, device="cpu")


def test_the_exported_folder_is_uploaded_to_a_private_repository(run, hub):
    said = []
    assert push(run, "somebody/digits", say=said.append).endswith("/somebody/digits")
    assert sorted(hub.files) == FILES
    assert hub.made["somebody/digits"]["visibility"] == "private"
    assert hub.tokens == {"Bearer hf_secret"}
    assert hub.summary == "run, exported by steadygan"
    assert b"library_name" in hub.files["README.md"]
    assert hub.files["samples.png"].startswith(b"\x89PNG")


def test_public_is_asked_for(run, hub):
    push(run, "somebody/digits", public=True, say=lambda text: None)
    assert hub.made["somebody/digits"]["visibility"] == "public"


def test_a_dry_run_names_every_file_and_sends_nothing(run, hub):
    said = []
    push(run, "somebody/digits", dry_run=True, say=said.append)
    assert [line.split()[-1] for line in said[:-1]] == FILES
    assert said[-1].endswith("/somebody/digits, private if it is made by this")
    assert hub.asked == []


@pytest.mark.parametrize("name", ["digits", "a/b/c", "../x", "some body/x", "a/", ""])
def test_another_form_of_name_is_refused_before_anything_is_done(run, hub, name):
    with pytest.raises(UserError, match="OWNER/NAME"):
        push(run, name)
    assert hub.asked == []


@pytest.mark.parametrize(
    ("status", "line"), [(401, "hf auth login"), (403, "may write"), (400, "no file was")]
)
def test_a_refusal_is_one_line(run, hub, status, line):
    hub.refuse = status
    with pytest.raises(UserError, match=line) as error:
        push(run, "somebody/digits", say=lambda text: None)
    assert "\n" not in str(error.value)
    assert hub.files == {}


def test_without_an_account_it_says_how_to_get_one(run, hub, monkeypatch, tmp_path):
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(huggingface_hub.constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    hub.refuse = 401
    with pytest.raises(UserError, match="hf auth login"):
        push(run, "somebody/digits", say=lambda text: None)


def test_a_hub_that_is_not_there_is_one_line(run, hub, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(UserError, match="was not reached or refused"):
        push(run, "somebody/digits", say=lambda text: None)


def test_without_the_extra_it_says_what_installs_it(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub.errors", None)
    with pytest.raises(UserError, match=r"steadygan\[hub\]"):
        push(run, "somebody/digits")
