import json

import torch

from mvkit import methods
from mvkit.checkpoints import videomae
from mvkit.models import VideoViT
from mvkit.tokens import TokenGrid
from mvkit.train.optim import adamw, decays, parameter_groups, set_rate


def test_every_parameter_is_in_one_group_and_frozen_ones_in_none():
    method = methods.create("videomae", size="tiny", frames=4, image=16, patch=8)
    method.decoder.mask_token.requires_grad_(False)
    groups = parameter_groups(method, 0.05)
    ids = [id(p) for group in groups for p in group["params"]]
    assert len(ids) == len(set(ids)) == sum(p.requires_grad for p in method.parameters())


def test_decay_follows_the_official_pre_training_groups(shared):
    said = json.loads((shared / "parity" / "videomae_aux_public.json").read_text())["pretrain_param_groups"]
    method = methods.create("videomae", size="tiny", frames=4, image=16, patch=8)
    official = videomae.write(dict(method.named_parameters()))
    shared_names = [name for name in said if name in official]
    assert len(shared_names) > 20
    for name in shared_names:
        assert decays(official[name]) == (said[name]["weight_decay"] > 0), name


def test_a_learned_position_table_does_not_decay():
    encoder = VideoViT(TokenGrid(2, 2, 2), patch=4, width=12, depth=1, heads=2, position="learned")
    assert not decays(encoder.pos_embed)


def test_layer_decay_multiplies_the_rate():
    weight = torch.nn.Parameter(torch.zeros(2, 2))
    optimiser = adamw([{"params": [weight], "lr_scale": 0.5}])
    set_rate(optimiser, 0.2)
    assert optimiser.param_groups[0]["lr"] == 0.1
