"""The Inception network of FID against a forward pass written here, and its weights."""

import io
import os
import re
import zipfile

import pytest
import torch
import torch.nn.functional as F

from steadygan.errors import UserError
from steadygan.features import weights
from steadygan.features.inception import Inception
from steadygan.features.weights import checked, expected, import_weights, load_inception


@pytest.fixture(scope="module")
def state():
    """Random weights, names and shapes as in pytorch-fid's file, counters of batch norm too."""
    generator = torch.Generator().manual_seed(0)
    found = {}
    for name, shape in expected().items():
        noise = torch.randn(shape, generator=generator)
        if name.endswith("running_var"):
            found[name] = 0.5 + noise.abs()
            found[name.replace("running_var", "num_batches_tracked")] = torch.tensor(0)
        elif name.endswith("conv.weight"):
            found[name] = noise * (2 / noise[0].numel()) ** 0.5
        else:
            found[name] = (1 if name.endswith("bn.weight") else 0) + 0.1 * noise
    return found


@pytest.fixture(scope="module")
def published(state, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "weights.pth"
    torch.save(state, path)
    return path


@pytest.fixture(scope="module")
def imported(published):
    out = published.with_name("inception.safetensors")
    assert import_weights(published, out) is False
    return out


# ---- the network ---------------------------------------------------------------------------

BRANCHES = {
    "A": ["branch1x1", "branch5x5_1 branch5x5_2", "branch3x3dbl_1 branch3x3dbl_2 branch3x3dbl_3",
          "mean branch_pool"],
    "B": ["branch3x3/2", "branch3x3dbl_1 branch3x3dbl_2 branch3x3dbl_3/2", "halve"],
    "C": ["branch1x1", "branch7x7_1 branch7x7_2 branch7x7_3",
          "branch7x7dbl_1 branch7x7dbl_2 branch7x7dbl_3 branch7x7dbl_4 branch7x7dbl_5",
          "mean branch_pool"],
    "D": ["branch3x3_1 branch3x3_2/2",
          "branch7x7x3_1 branch7x7x3_2 branch7x7x3_3 branch7x7x3_4/2", "halve"],
    "E": ["branch1x1", "branch3x3_1 branch3x3_2a+branch3x3_2b",
          "branch3x3dbl_1 branch3x3dbl_2 branch3x3dbl_3a+branch3x3dbl_3b", "POOL branch_pool"],
}  # fmt: skip
BLOCKS = {"5b": "A", "5c": "A", "5d": "A", "6a": "B", "6b": "C", "6c": "C", "6d": "C", "6e": "C",
          "7a": "D", "7b": "E", "7c": "E"}  # fmt: skip


def forward(w, x):
    """The network of FID from its tensors alone, layer by layer."""

    def conv(x, name, pad=True):
        name, _, stride = name.partition("/")
        kernel = w[f"{name}.conv.weight"]
        stride = int(stride or 1)
        same = (kernel.shape[2] // 2, kernel.shape[3] // 2) if pad and stride == 1 else 0
        x = F.conv2d(x, kernel, None, stride, same)
        part = {key: w[f"{name}.bn.{key}"][:, None, None] for key in
                ("running_mean", "running_var", "weight", "bias")}  # fmt: skip
        scaled = (x - part["running_mean"]) / (part["running_var"] + 0.001).sqrt()
        return torch.relu(scaled * part["weight"] + part["bias"])

    def mean(x):
        ones = torch.ones_like(x[:, :1])
        box = torch.ones(1, 1, 3, 3)
        sums = F.conv2d(x.flatten(0, 1)[:, None], box, padding=1).view_as(x)
        return sums / F.conv2d(ones, box, padding=1)

    def largest(x):
        return F.max_pool2d(F.pad(x, (1, 1, 1, 1), value=-torch.inf), 3, 1)

    def block(x, number):
        made = []
        for branch in BRANCHES[BLOCKS[number]]:
            y = x
            for step in branch.split():
                if step == "POOL":
                    y = largest(y) if number == "7c" else mean(y)
                elif step == "mean":
                    y = mean(y)
                elif step == "halve":
                    y = F.max_pool2d(y, 3, 2)
                else:
                    y = torch.cat([conv(y, f"Mixed_{number}.{s}") for s in step.split("+")], 1)
            made.append(y)
        return torch.cat(made, 1)

    x = F.interpolate(x, (299, 299), mode="bilinear", align_corners=False)
    x = conv(x, "Conv2d_1a_3x3/2")
    x = conv(conv(x, "Conv2d_2a_3x3", pad=False), "Conv2d_2b_3x3")
    x = F.max_pool2d(x, 3, 2)
    x = conv(conv(x, "Conv2d_3b_1x1"), "Conv2d_4a_3x3", pad=False)
    x = F.max_pool2d(x, 3, 2)
    for number in BLOCKS:
        x = block(x, number)
    return x.flatten(2).mean(2)


def test_it_is_the_network_written_here(state, imported):
    network = load_inception(imported)
    images = torch.rand(1, 3, 40, 40, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.no_grad():
        features, logits = network(images)
    wanted = forward(state, images)
    assert features.shape == (1, 2048)
    assert (features - wanted).abs().max() < 1e-4 * wanted.abs().max()
    assert torch.allclose(logits, features @ state["fc.weight"].T)  # the bias is left out
    assert logits.shape == (1, 1008)


def test_grey_images_are_three_equal_channels(imported):
    network = load_inception(imported)
    grey = torch.rand(1, 1, 20, 20) * 2 - 1
    with torch.no_grad():
        assert torch.equal(network(grey)[0], network(grey.repeat(1, 3, 1, 1))[0])


def test_names_and_shapes_are_those_of_the_published_file():
    """What is known of it: 94 convolutions with batch norm, one linear layer, 23,850,960 weights
    that are learned, and these layers."""
    shapes = expected()
    convolutions = [name for name in shapes if name.endswith(".conv.weight")]
    assert len(convolutions) == 94
    assert len(shapes) == 5 * 94 + 2
    learned = [shape.numel() for name, shape in shapes.items() if "running" not in name]
    assert sum(learned) == 23_850_960
    for name, shape in {
        "Conv2d_1a_3x3.conv.weight": (32, 3, 3, 3),
        "Conv2d_4a_3x3.conv.weight": (192, 80, 3, 3),
        "Mixed_5b.branch_pool.conv.weight": (32, 192, 1, 1),
        "Mixed_5d.branch5x5_2.conv.weight": (64, 48, 5, 5),
        "Mixed_6a.branch3x3.conv.weight": (384, 288, 3, 3),
        "Mixed_6b.branch7x7_2.conv.weight": (128, 128, 1, 7),
        "Mixed_6c.branch7x7dbl_2.conv.weight": (160, 160, 7, 1),
        "Mixed_6e.branch7x7dbl_5.conv.weight": (192, 192, 1, 7),
        "Mixed_7a.branch7x7x3_3.conv.weight": (192, 192, 7, 1),
        "Mixed_7b.branch3x3_2a.conv.weight": (384, 384, 1, 3),
        "Mixed_7c.branch3x3dbl_1.conv.weight": (448, 2048, 1, 1),
        "Mixed_7c.branch3x3dbl_3b.bn.running_var": (384,),
        "fc.weight": (1008, 2048),
    }.items():
        assert shapes[name] == shape


# ---- its weights ---------------------------------------------------------------------------


def test_what_is_imported_is_the_files_tensors_and_opens_as_safetensors(state, imported):
    from safetensors import safe_open

    with safe_open(imported, "pt") as file:
        assert file.metadata()["format"] == weights.FORMAT
        names = set(file.keys())
        assert all(torch.equal(file.get_tensor(name), state[name]) for name in names)
    assert names == set(expected())


def test_the_published_file_is_known_by_its_digest(published, tmp_path, monkeypatch):
    import hashlib

    digest = hashlib.sha256(published.read_bytes()).hexdigest()
    monkeypatch.setattr(weights, "PUBLISHED_SHA256", digest[:8])
    assert import_weights(published, tmp_path / "a.safetensors") is True


def changed(state, **change):
    return {**state, **{name.replace("__", "."): value for name, value in change.items()}}


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda s: {k: v for k, v in s.items() if k != "fc.bias"}, "1 of 472.*first: fc.bias"),
        (lambda s: changed(s, AuxLogits__fc__weight=torch.zeros(3)), "AuxLogits.fc.weight is no"),
        (lambda s: changed(s, fc__bias=torch.zeros(1000)), r"fc.bias is \[1000\], wanted \[1008\]"),
        (lambda s: changed(s, fc__bias=torch.zeros(1008).long()), "int64, wanted floating"),
        (lambda s: changed(s, fc__bias=torch.full((1008,), torch.nan)), "fc.bias holds NaN"),
        (lambda s: changed(s, Conv2d_1a_3x3__bn__running_var=-torch.ones(32)), "below 0"),
        (lambda s: list(s.values()), "no tensors by name"),
        (lambda s: {"state_dict": s}, "no tensors by name"),
    ],
)
def test_any_other_tensors_are_refused_by_name(state, damage, said, tmp_path):
    with pytest.raises(UserError, match=said):
        checked(damage(state), tmp_path)


class Payload:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def test_a_file_that_runs_code_is_refused_and_runs_nothing(tmp_path):
    bad, out = tmp_path / "bad.pth", tmp_path / "out.safetensors"
    torch.save({"fc.weight": Payload(tmp_path / "ran")}, bad)
    with pytest.raises(UserError, match="no file of plain torch tensors"):
        import_weights(bad, out)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.pth"]


@pytest.mark.parametrize("content", [b"", b"hello", b"\x80\x02.", None])
def test_damaged_files_are_one_line(content, published, tmp_path):
    bad = tmp_path / "bad.pth"
    if content is None:  # cut off half-way
        content = published.read_bytes()[: 2**20]
    bad.write_bytes(content)
    with pytest.raises(UserError) as error:
        import_weights(bad, tmp_path / "out.safetensors")
    assert "\n" not in str(error.value)
    assert re.search("plain torch tensors|no tensors by name", str(error.value))
    assert not (tmp_path / "out.safetensors").exists()


def test_a_zip_that_is_no_torch_file_is_refused(tmp_path):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("a/data.pkl", "nothing")
    (tmp_path / "bad.pth").write_bytes(made.getvalue())
    with pytest.raises(UserError, match="no file of plain torch tensors"):
        import_weights(tmp_path / "bad.pth", tmp_path / "out.safetensors")


def test_paths_that_cannot_serve_are_said(published, imported, tmp_path):
    for source, out, said in (
        (tmp_path / "no.pth", tmp_path / "a.safetensors", "no.pth: cannot be read"),
        (published, tmp_path / "a.pt", "ends in .safetensors"),
        (published, tmp_path / "no" / "a.safetensors", "cannot be written"),
    ):
        with pytest.raises(UserError, match=said):
            import_weights(source, out)
    (tmp_path / "a.safetensors").write_bytes(b"12345678 no")
    for path, said in (
        (published, "import it first"),
        (tmp_path / "none.safetensors", "cannot be read"),
        (tmp_path / "a.safetensors", "no safetensors file"),
    ):
        with pytest.raises(UserError, match=said):
            load_inception(path)


def test_a_built_network_has_its_tensors_checked_too(imported, tmp_path):
    import safetensors.torch

    tensors = safetensors.torch.load_file(imported)
    del tensors["fc.weight"]
    safetensors.torch.save_file(tensors, tmp_path / "less.safetensors")
    with pytest.raises(UserError, match=r"first: fc\.weight"):
        load_inception(tmp_path / "less.safetensors")
    assert isinstance(load_inception(imported), Inception)
