import torch

from mvkit import methods
from mvkit.inspect import shapes
from mvkit.models.teachers import Teacher

SIZE = {"size": "tiny", "frames": 4, "image": 24, "patch": 8}


def build():
    torch.manual_seed(0)
    teachers = {f"{role}_teacher": Teacher(methods.create(kind, **SIZE).encoder)
                for role, kind in (("image", "mae"), ("video", "videomae"))}  # fmt: skip
    return methods.create("mvd", **teachers, **SIZE)


def step(method):
    clips = torch.rand(3, 3, 4, 24, 24, generator=torch.Generator().manual_seed(1))
    return shapes.of_step(method, clips, generator=torch.Generator().manual_seed(2))


def test_the_shapes_of_a_step_are_those_of_its_modules_teachers_masks_and_artifacts():
    found = step(build())
    visible, hidden = found["visible.encoder"][1], found["hidden.encoder"][1]
    assert found["clips"] == (3, 3, 4, 24, 24) and visible + hidden == 18
    assert found["encoder"] == (3, visible, 128) and found["decoders.video"][:2] == (3, hidden)
    assert found["teachers.image"] == found["teachers.video"] == (3, 18, 128)
    assert found["predictions_image"] == found["targets_image"] == (3, hidden, 128)
    assert found["loss"] == ()


def test_a_method_is_left_as_it_was():
    method = build().train()
    before = {name: value.clone() for name, value in method.state_dict().items()}
    step(method)
    assert method.training and all(p.grad is None for p in method.parameters())
    assert not any(module._forward_hooks for module in (*method.modules(), *method.teachers.values()))
    assert all(torch.equal(value, before[name]) for name, value in method.state_dict().items())
