import json

import pytest
import torch

from mvkit import checkpoints, methods
from mvkit.errors import CheckpointError

OPTIONS = {"size": "tiny", "frames": 4, "image": 16, "patch": 8}


@pytest.fixture
def saved(tmp_path):
    checkpoints.save(tmp_path, methods.create("videomae", **OPTIONS), name="videomae", options=OPTIONS)
    return tmp_path


def test_the_folder_is_config_and_weights(saved):
    assert sorted(path.name for path in saved.iterdir()) == ["config.json", "model.safetensors"]
    config = json.loads((saved / "config.json").read_text())
    assert (config["method"], config["options"]) == ("videomae", OPTIONS)


def test_the_encoder_loads_without_its_method(saved):
    encoder, report = checkpoints.load_encoder(saved)
    wanted = methods.load(saved)[0].encoder
    assert encoder.config == wanted.config and not report.missing and not encoder.training
    clips = torch.rand(1, 3, 4, 16, 16)
    assert torch.equal(encoder(clips).tokens, wanted.eval()(clips).tokens)


def test_a_run_stands_for_its_newest_checkpoint(tmp_path):
    for step in (10, 20):
        method = methods.create("videomae", **OPTIONS)
        checkpoints.save(tmp_path / "checkpoint" / f"step_{step:06d}", method, name="videomae", options=OPTIONS)
    encoder, _ = checkpoints.load_encoder(tmp_path)
    assert torch.equal(encoder.patch_embed.proj.weight, method.encoder.patch_embed.proj.weight)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_missing_file_is_named(saved, name):
    (saved / name).unlink()
    with pytest.raises(CheckpointError, match=f"{name} is missing"):
        methods.load(saved)


def test_cut_weights_are_refused(saved):
    weights = saved / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(CheckpointError, match="damaged"):
        methods.load(saved)


def test_weights_of_another_shape_are_refused_by_name(saved):
    other = methods.create("videomae", **{**OPTIONS, "patch": 4})
    state = methods.create("videomae", **OPTIONS).state_dict()
    with pytest.raises(CheckpointError, match=r"2 reshaped|3 reshaped"):
        checkpoints.load_state(other, state)
    report = checkpoints.load_state(other, state, strict=False)
    assert "encoder.patch_embed.proj.weight" in report.reshaped
    assert "encoder.blocks.0.attn.qkv.weight" in report.matched


def test_missing_and_unexpected_weights_are_named():
    module = torch.nn.Linear(2, 2)
    with pytest.raises(CheckpointError, match=r"1 missing \(bias\), 1 unexpected \(extra\)"):
        checkpoints.load_state(module, {"weight": torch.zeros(2, 2), "extra": torch.zeros(1)})
