import pytest
import torch

from mvkit.checkpoints import videomae as layout
from mvkit.maskers.tube import TubeMasker
from mvkit.methods.videomae import VideoMAE
from mvkit.models import TokenDecoder, VideoViT
from mvkit.tokens import TokenGrid


@pytest.mark.parametrize(("position", "normalised"), [("sincos_1d", True), ("learned", False)])
def test_recordings_of_other_shapes_are_built_from_the_sidecar_alone(record, position, normalised):
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
    assert [r.line() for r in record("videomae_pretrain_odd", tensors, config=config).failures()] == []
