import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from mvkit import parity
from mvkit.checkpoints import videomae as layout
from mvkit.errors import DataError
from mvkit.losses import normalise_pixels, pixel_loss
from mvkit.maskers.tube import TubeMasker
from mvkit.methods.videomae import VideoMAE
from mvkit.models import TokenDecoder, VideoViT
from mvkit.tokens import TokenGrid

NAME = "videomae_pretrain_public"


@pytest.fixture
def recording(recordings, tmp_path):
    for suffix in (".safetensors", ".json"):
        shutil.copy(recordings / f"{NAME}{suffix}", tmp_path)
    return tmp_path


def failures(folder, only=None):
    return [result for result in parity.check(folder, only) if not result.passed]


def change(folder, edit):
    path = folder / f"{NAME}.safetensors"
    tensors = load_file(path)
    edit(tensors)
    save_file(tensors, path)


def test_every_recorded_group_of_the_official_step_is_reproduced(recording):
    results = list(parity.check(recording, "videomae"))
    assert [r.line() for r in results if not r.passed] == []
    assert {"encoder_out", "pred", "target", "loss", "grad_norm", "transfer.features_longer_clip"} <= {
        r.group for r in results
    }


EXPECTED = ("encoder_out", "pred", "target", "target_unnormalized", "loss", "loss_unnormalized_target", "grad_norm")
EXPECTED += ("encoder_pos_embed", "decoder_pos_embed", "encoder_to_decoder_out", "patch_embed_out", "transfer.features")
EXPECTED += ("transfer.features_longer_clip", "grad.mask_token", "grad.encoder.blocks.0.attn.v_bias")


@pytest.mark.parametrize("name", EXPECTED)
def test_an_error_of_a_thousandth_in_one_expected_value_fails_its_group(recording, name):
    def nudge(tensors):
        tensors[name].view(-1)[0] += 1e-3

    change(recording, nudge)
    assert [r.group for r in failures(recording)] == [name]


def test_a_swapped_mask_or_a_nan_fails(recording):
    change(recording, lambda tensors: tensors["pred"].view(-1)[:1].fill_(float("nan")))
    assert [r.group for r in failures(recording)] == ["pred"]


def test_a_group_that_was_not_recorded_is_passed_over(recording):
    change(recording, lambda tensors: tensors.pop("encoder_out"))
    results = list(parity.check(recording))
    assert "encoder_out" not in {r.group for r in results} and all(r.passed for r in results)


def test_a_tensor_that_nothing_reads_is_named(recording):
    change(recording, lambda tensors: tensors.update({"mystery": torch.zeros(3)}))
    assert "nothing reads tensor mystery" in failures(recording)[0].line()


def test_another_name_of_the_kind_is_checked_and_another_kind_fails(recording):
    for suffix in (".safetensors", ".json"):
        (recording / f"{NAME}{suffix}").rename(recording / f"videomae_pretrain_deep{suffix}")
        shutil.copy(recording / f"videomae_pretrain_deep{suffix}", recording / f"unheard_of{suffix}")
    lines = [r.line() for r in failures(recording)]
    assert len(lines) == 1 and lines[0].startswith("FAIL unheard_of") and "no checker" in lines[0]


def test_a_recording_without_its_sidecar_fails_in_one_line(recording):
    (recording / f"{NAME}.json").unlink()
    found = failures(recording)
    assert len(found) == 1 and "cannot be checked" in found[0].line() and "\n" not in found[0].line()


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match="no recording"):
        list(parity.check(tmp_path))


@pytest.mark.parametrize(("position", "normalised"), [("sincos_1d", True), ("learned", False)])
def test_recordings_of_other_shapes_are_built_from_the_sidecar_alone(tmp_path, position, normalised):
    """A non-square clip, LayerScale and no q or v bias, recorded from our own model in the official layout."""
    torch.manual_seed(3)
    grid = TokenGrid(3, 2, 4)
    common = {"mlp_ratio": 2.0, "qkv_bias": False, "layer_scale": 0.1}
    encoder = VideoViT(grid, tubelet=2, patch=4, width=24, depth=3, heads=3, position=position, **common)
    decoder = TokenDecoder(grid, in_width=24, width=12, depth=2, heads=2, **common)
    method = VideoMAE(encoder=encoder, decoder=decoder, masker=TubeMasker(0.5), normalise_targets=normalised)
    clips = torch.rand(2, 3, 6, 8, 16)
    out = method(clips, generator=torch.Generator().manual_seed(0), artifacts=True)
    video = (clips - encoder.mean.view(3, 1, 1, 1)) / encoder.std.view(3, 1, 1, 1)
    tensors = {f"sd.{name}": value for name, value in layout.write(method.state_dict()).items()}
    tensors |= {"video": video, "mask": out.masks["encoder"].hidden, "pred": out.artifacts["predictions"]}
    tensors |= {"loss": out.loss.detach(), "target": out.artifacts["targets"]}
    tensors["transfer.features"] = encoder.eval()(clips, layers=(3,)).layers[3].mean(1).detach()
    tensors["transfer.features"] = torch.nn.functional.layer_norm(tensors["transfer.features"], (24,), eps=1e-6)
    config = {
        "img_size": [8, 16], "patch_size": 4, "num_frames": 6, "tubelet_size": 2, "encoder_embed_dim": 24,
        "encoder_depth": 3, "encoder_num_heads": 3, "decoder_embed_dim": 12, "decoder_depth": 2,
        "decoder_num_heads": 2, "mask_ratio": 0.5, "normlize_target": normalised,
    }  # fmt: skip
    save_file({k: v.contiguous() for k, v in tensors.items()}, tmp_path / "videomae_pretrain_odd.safetensors")
    (tmp_path / "videomae_pretrain_odd.json").write_text(json.dumps({"config": config}))
    assert [r.line() for r in failures(tmp_path)] == []
    pixels = out.artifacts["targets"]
    assert torch.isfinite(pixel_loss(normalise_pixels(pixels), pixels))
