import argparse
import os
import pathlib
import pickle

import pytest
import torch
from safetensors.torch import save_file

from mvkit.checkpoints.files import open_weights, write_weights
from mvkit.errors import CheckpointError

STATE = {"patch_embed.proj.bias": torch.arange(3.0), "blocks.0.norm1.weight": torch.ones(2, 2)}


class Harmful:
    """What a hostile file holds: opening it with the plain unpickler would make a file."""

    def __init__(self, target: pathlib.Path) -> None:
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


def same(found, wanted=STATE) -> bool:
    return found.keys() == wanted.keys() and all(torch.equal(found[n], wanted[n]) for n in wanted)


@pytest.mark.parametrize("wrapper", ["model", "module", "state_dict", None])
@pytest.mark.parametrize("suffix", [".pth", ".pt", ".bin"])
def test_weights_are_found_bare_or_wrapped(tmp_path, wrapper, suffix):
    path = tmp_path / f"a{suffix}"
    torch.save({wrapper: STATE, "epoch": 3} if wrapper else STATE, path)
    assert same(open_weights(path).state)


def test_a_file_of_the_old_format_is_read_too(tmp_path):
    torch.save({"model": STATE}, tmp_path / "a.pth", _use_new_zipfile_serialization=False)
    assert same(open_weights(tmp_path / "a.pth").state)


def test_safetensors_are_read(tmp_path):
    save_file(STATE, tmp_path / "a.safetensors")
    assert same(open_weights(tmp_path / "a.safetensors").state)


def test_a_prefix_that_every_name_has_from_several_processes_is_taken_off():
    assert same(open_weights({"model": {f"module.{name}": value for name, value in STATE.items()}}).state)


def test_projections_that_lie_beside_the_model_are_kept():
    found = open_weights({"model": STATE, "Align_feature": {"fc1.bias": torch.zeros(1)}, "optimizer": {"state": {}}})
    assert found.state.keys() == {*STATE, "Align_feature.fc1.bias"}


def test_the_command_line_kept_beside_the_weights_does_no_harm(tmp_path):
    said = argparse.Namespace(lr=1e-3, window_size=(8, 14, 14), device="cuda")
    torch.save({"model": STATE, "args": said}, tmp_path / "a.pth")
    assert same(open_weights(tmp_path / "a.pth").state)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_hostile_file_is_refused_in_one_line_and_runs_nothing(tmp_path, zipped):
    path, target = tmp_path / "a.pth", tmp_path / "made"
    torch.save({"model": STATE, "args": Harmful(target)}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError, match=r"posix\.mkdir.*could run code: refused") as err:
        open_weights(path)
    assert "\n" not in str(err.value) and not target.exists()


def test_a_bare_pickle_is_refused_and_runs_nothing(tmp_path):
    path, target = tmp_path / "a.pth", tmp_path / "made"
    path.write_bytes(pickle.dumps(Harmful(target), protocol=2))
    with pytest.raises(CheckpointError, match="refused"):
        open_weights(path)
    assert not target.exists()


def test_other_classes_than_the_command_line_are_refused(tmp_path):
    torch.save({"model": STATE, "out": pathlib.PurePosixPath("x")}, tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match="pathlib"):
        open_weights(tmp_path / "a.pth")


@pytest.mark.filterwarnings("ignore:.*torch.jit")
def test_a_torchscript_program_is_refused_with_the_repair(tmp_path):
    torch.jit.script(torch.nn.Linear(2, 2)).save(tmp_path / "clip.pt")
    with pytest.raises(CheckpointError, match=r"TorchScript program.*state_dict\(\)"):
        open_weights(tmp_path / "clip.pt")


def test_damaged_files_are_called_so(tmp_path):
    torch.save({"model": STATE}, tmp_path / "whole.pth")
    (tmp_path / "cut.pth").write_bytes((tmp_path / "whole.pth").read_bytes()[:300])
    (tmp_path / "page.pth").write_text("<html>not found</html>")
    (tmp_path / "empty.pth").touch()
    (tmp_path / "cut.safetensors").write_bytes(b"\x08\x00\x00")
    for name in ("cut.pth", "page.pth", "empty.pth", "cut.safetensors"):
        with pytest.raises(CheckpointError, match=r"damaged|cannot be read"):
            open_weights(tmp_path / name)


def test_what_holds_no_weights_is_refused(tmp_path):
    (tmp_path / "a.txt").write_text("x")
    torch.save({"epoch": 3}, tmp_path / "a.pth")
    for source, why in (
        (tmp_path / "nowhere.pth", "does not exist"),
        (tmp_path / "a.txt", "no file of weights"),
        (tmp_path / "a.pth", "holds no weights"),
        ({"model": {"lr": 0.1}}, "holds no weights"),
    ):
        with pytest.raises(CheckpointError, match=why):
            open_weights(source)


@pytest.mark.parametrize("name", ["a.pth", "a.safetensors"])
def test_a_written_file_says_the_heads_that_no_shape_tells(tmp_path, name):
    write_weights(tmp_path / name, STATE, wrap=True, config={"heads": 4, "grid": [1, 2, 3]})
    found = open_weights(tmp_path / name)
    assert same(found.state) and found.config == {"heads": 4, "grid": [1, 2, 3]}
    assert [path.name for path in tmp_path.iterdir()] == [name]
