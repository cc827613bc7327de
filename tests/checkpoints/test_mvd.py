import pytest
import torch

from mvkit import methods
from mvkit.checkpoints import load_state, mvd
from mvkit.models import VideoViT
from mvkit.models.positions import blocked_3d
from mvkit.models.teachers import Teacher
from mvkit.tokens import TokenGrid

GRID = TokenGrid(2, 2, 2)


def method(**options) -> methods.Method:
    torch.manual_seed(0)
    teacher = Teacher(VideoViT(GRID, patch=8, width=24, depth=1, heads=2))
    roles = {"image_teacher": teacher, "video_teacher": teacher} | options
    return methods.create("mvd", size="tiny", frames=4, image=16, patch=8, **roles)


def official_names(depth: int, decoder_depth: int) -> set[str]:
    """The table of the released students, written out."""
    parts = ("norm1", "norm2", "attn.proj", "mlp.fc1", "mlp.fc2")
    block = [f"{part}.{kind}" for part in parts for kind in ("weight", "bias")]
    block += ["attn.q_bias", "attn.v_bias", "attn.qkv.weight"]
    names = {"pos_embed", "patch_embed.proj.weight", "patch_embed.proj.bias", "norm.weight", "norm.bias"}
    names |= {f"blocks.{i}.{name}" for i in range(depth) for name in block}
    for role in ("img", "vid"):
        names |= {f"mask_token_{role}", f"pos_embed_{role}", f"down_{role}.weight", f"down_{role}.bias"}
        names |= {f"decoder_{role}.{part}.{kind}" for part in ("norm", "head") for kind in ("weight", "bias")}
        names |= {f"decoder_{role}.blocks.{i}.{name}" for i in range(decoder_depth) for name in block}
    return names


def test_a_student_is_written_with_every_official_name_and_no_other():
    official = mvd.write(method().state_dict(), GRID)
    assert set(official) == official_names(depth=4, decoder_depth=2)
    assert torch.equal(official["pos_embed_vid"], blocked_3d(GRID, 128)[None])
    with torch.device("meta"):
        big = Teacher(VideoViT(TokenGrid(8, 14, 14), width=768, depth=1, heads=12))
        base = methods.create("mvd", size="base", image_teacher=big, video_teacher=big)
    # The base student of the released code has 229 tensors, three of them tables.
    assert len(mvd.write(base.state_dict())) == 229 - 3


@pytest.mark.parametrize("options", [{}, {"use_cls_token": True}, {"image_teacher": None}, {"video_teacher": None}])
def test_writing_the_official_layout_and_reading_it_back_changes_nothing(options):
    state = method(**options).state_dict()
    back = mvd.read(mvd.write(state, GRID))
    assert back.keys() == state.keys()
    assert all(torch.equal(back[name], state[name]) for name in state)


def test_fine_tuning_takes_the_encoder_and_leaves_its_final_norm():
    official = mvd.write(method(use_cls_token=True).state_dict(), GRID)
    options = {"patch": 8, "width": 128, "depth": 4, "heads": 4, "class_token": True, "position": "blocked_3d"}
    encoder = VideoViT(GRID, final_norm=False, **options)
    report = load_state(encoder, mvd.encoder(official))
    assert "class_token" in report.matched and "norm.weight" not in report.matched
