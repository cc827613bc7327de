import pytest
import torch
from safetensors.torch import save_file

from mvkit import checkpoints, methods
from mvkit.checkpoints import start_from
from mvkit.errors import CheckpointError, OptionError

OPTIONS = {"size": "tiny", "frames": 4, "image": 24, "patch": 8}


def videomae(seed, **more):
    torch.manual_seed(seed)
    return methods.create("videomae", **{**OPTIONS, **more})


@pytest.fixture
def run(tmp_path):
    return checkpoints.save(tmp_path / "run", videomae(1), name="videomae", options=OPTIONS)


def test_a_run_gives_every_weight_that_both_have(run):
    method = videomae(2)
    (report,) = start_from(method, [f"run:{run}"])
    wanted = videomae(1).state_dict()
    assert all(torch.equal(value, wanted[name]) for name, value in method.state_dict().items())
    assert not report.missing and not report.unexpected


def test_another_method_takes_the_encoder_and_keeps_the_rest(run):
    torch.manual_seed(3)
    method = methods.create("amd", video_teacher=f"run:{run}", **OPTIONS)
    before = {n: v.clone() for n, v in method.state_dict().items() if not n.startswith(("encoder.", "decoder"))}
    (report,) = start_from(method, [f"run:{run}"])
    assert all(name in report.matched for name in method.state_dict() if name.startswith("encoder."))
    assert all(torch.equal(method.state_dict()[n], v) for n, v in before.items() if n in report.missing)


def test_an_official_file_is_read_by_its_own_names(tmp_path):
    path = checkpoints.export(videomae(1), tmp_path / "videomae.pth", kind="videomae")
    method = videomae(2)
    start_from(method, [f"file:{path}"])
    wanted = videomae(1).encoder.state_dict()
    assert all(torch.equal(value, wanted[name]) for name, value in method.encoder.state_dict().items())


def test_the_later_source_wins(run, tmp_path):
    other = checkpoints.save(tmp_path / "other", videomae(5), name="videomae", options=OPTIONS)
    method = videomae(2)
    start_from(method, [f"run:{run}", f"run:{other}"])
    assert torch.equal(method.encoder.norm.weight, videomae(5).encoder.norm.weight)
    assert torch.equal(method.encoder.patch_embed.proj.weight, videomae(5).encoder.patch_embed.proj.weight)


def test_other_sizes_strangers_and_misspelled_sources_are_refused(run, tmp_path):
    with pytest.raises(CheckpointError, match=r"of another size: encoder\.patch_embed\.proj\.weight should be"):
        start_from(videomae(2, patch=4), [f"run:{run}"])
    save_file({"text_encoder.nothing": torch.zeros(2)}, tmp_path / "strange.safetensors")
    with pytest.raises(CheckpointError, match="no weight that VideoMAE has"):
        start_from(videomae(2), [f"file:{tmp_path / 'strange.safetensors'}"])
    with pytest.raises(OptionError, match="write it as run:<folder> or file:<path>"):
        start_from(videomae(2), ["runs:x"])
