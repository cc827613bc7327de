import pytest
import torch

from mvkit import methods
from mvkit.errors import OptionError
from mvkit.models import VideoViT
from mvkit.models.classifier import VideoClassifier
from mvkit.tokens import TokenGrid
from mvkit.train.optim import adamw, decays, depth_levels, parameter_groups, set_rate


def test_every_parameter_is_in_one_group_and_frozen_ones_in_none():
    method = methods.create("videomae", size="tiny", frames=4, image=16, patch=8)
    method.decoder.mask_token.requires_grad_(False)
    groups = parameter_groups(method, 0.05)
    ids = [id(p) for group in groups for p in group["params"]]
    assert len(ids) == len(set(ids)) == sum(p.requires_grad for p in method.parameters())


def test_the_decayed_come_first_and_the_groups_say_what_they_are():
    method = methods.create("videomae", size="tiny", frames=4, image=16, patch=8)
    groups = parameter_groups(method, 0.05)
    assert [(g["name"], g["weight_decay"], g["lr_scale"]) for g in groups] == [("decay", 0.05, 1), ("no_decay", 0, 1)]


def test_a_mark_on_a_parameter_decides_whether_it_decays():
    token, matrix = torch.nn.Parameter(torch.zeros(1, 1, 4)), torch.nn.Parameter(torch.zeros(3, 4))
    assert not decays(token) and decays(matrix)
    token.no_decay, matrix.no_decay = False, True
    assert decays(token) and not decays(matrix)


def test_a_learned_position_table_does_not_decay():
    encoder = VideoViT(TokenGrid(2, 2, 2), patch=4, width=12, depth=1, heads=2, position="learned")
    assert not decays(encoder.pos_embed)


def test_layer_decay_multiplies_the_rate():
    weight = torch.nn.Parameter(torch.zeros(2, 2))
    optimiser = adamw([{"params": [weight], "lr_scale": 0.5}])
    set_rate(optimiser, 0.2)
    assert optimiser.param_groups[0]["lr"] == 0.1


def encoder(**options):
    options = {"class_token": True, "pre_norm": True, "position": "learned", **options}
    return VideoViT(TokenGrid(2, 2, 3), patch=4, width=12, depth=3, heads=2, **options)


def classifier():
    return VideoClassifier(encoder(final_norm=False), classes=5)


def test_levels_run_from_what_comes_before_the_blocks_to_what_follows_them():
    model = classifier()
    levels = depth_levels(model)
    named = {name: levels[parameter] for name, parameter in model.named_parameters()}
    before = ("encoder.patch_embed.", "encoder.pos_embed", "encoder.class_", "encoder.pre_norm.")
    assert {level for name, level in named.items() if name.startswith(before)} == {0}
    assert [named[f"encoder.blocks.{i}.mlp.fc1.weight"] for i in range(3)] == [1, 2, 3]
    assert {named[name] for name in ("fc_norm.weight", "head.weight")} == {4}
    assert len(named) == len(levels)


def test_each_level_learns_slower_than_the_one_above_it_and_every_parameter_is_in_one_group():
    model = classifier()
    model.encoder.patch_embed.proj.bias.requires_grad_(False)
    groups = parameter_groups(model, 0.05, layer_decay=0.5)
    scales = {group["name"]: group["lr_scale"] for group in groups}
    assert scales["layer_0_decay"] == 0.0625 and scales["layer_3_no_decay"] == 0.5 and scales["layer_4_decay"] == 1.0
    ids = [id(parameter) for group in groups for parameter in group["params"]]
    assert len(ids) == len(set(ids)) == sum(p.requires_grad for p in model.parameters())
    optimiser = adamw(groups)
    set_rate(optimiser, 0.2)
    rates = {group["name"]: group["lr"] for group in optimiser.param_groups}
    assert rates["layer_0_decay"] == pytest.approx(0.0125) and rates["layer_4_no_decay"] == 0.2


def test_layer_decay_of_an_encoder_alone_counts_its_final_norm_as_the_top():
    groups = parameter_groups(encoder(), 0.05, layer_decay=0.5)
    assert {g["name"]: g["lr_scale"] for g in groups}["layer_4_no_decay"] == 1.0


def test_layer_decay_without_levels_or_out_of_range_is_refused():
    with pytest.raises(OptionError, match="Linear has none"):
        parameter_groups(torch.nn.Linear(2, 3), 0.05, layer_decay=0.9)
    for factor in (0.0, 1.1):
        with pytest.raises(OptionError, match="layer_decay must lie"):
            parameter_groups(classifier(), 0.05, layer_decay=factor)
