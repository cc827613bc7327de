"""Every function of `viz.anatomy` is called as a method is, and what it draws is what the method's modules made."""

import re
from inspect import signature

import pytest
import torch

from mvkit import methods, viz
from mvkit.inspect import shapes
from mvkit.models.teachers import Teacher
from mvkit.train.chain import ROLES
from mvkit.viz import anatomy
from mvkit.viz.diagram import shape_of

SIZE = {"size": "tiny", "frames": 6, "image": 24, "patch": 8}


def build(name: str, **options):
    asked = signature(methods.get(name).build).parameters
    teachers = {role: Teacher(methods.create(kind, **SIZE).encoder) for role, kind in ROLES.items() if role in asked}
    method = methods.create(name, **SIZE, **teachers, **options)
    clips, generator = torch.rand(2, 3, 6, 24, 24), torch.Generator().manual_seed(0)
    captions = {"captions": ["a red square", "a blue cross"]} if "captions" in method.needs else {}
    return method, shapes.of_step(method, clips, generator=generator, **captions)


each = pytest.mark.parametrize("name", [name for name in methods.available() if hasattr(anatomy, name)])


@each
def test_every_number_in_a_shape_is_a_side_of_a_tensor_of_this_step(name):
    method, made = build(name)
    written = [re.findall(r"\(B[^)]*\)", box.shape) for box in getattr(anatomy, name)(method, made).boxes]
    shapes = {shape for found in written for shape in found}
    assert {shape_of(made["clips"]), shape_of(made["encoder"])} <= shapes
    sides = {side for shape in made.values() for side in shape} | {method.encoder.grid.tokens}
    assert {int(side) for shape in shapes for side in re.findall(r"\d+", shape)} <= sides


@each
def test_a_diagram_fits_a_page_and_leads_to_a_loss_with_no_gradient_into_teachers(name):
    method, made = build(name)
    diagram = getattr(anatomy, name)(method, made)
    assert viz.diagram.method(diagram)[0].axes
    kinds = {box.name: box.kind for box in diagram.boxes}
    assert any(kinds[arrow.end] == "loss" for arrow in diagram.arrows)
    assert all(arrow.dashed for arrow in diagram.arrows if kinds[arrow.start] == "teacher")
    assert ("teacher" in kinds.values()) == bool(method.teachers)


def test_mvd_with_one_teacher_has_one_decoder_and_one_loss():
    method, made = build("mvd")
    alone = methods.create("mvd", video_teacher=method.teachers["video"], video_loss_weight=0.5, **SIZE)
    diagram = anatomy.mvd(alone, made)
    assert [box.name for box in diagram.boxes if box.kind in ("teacher", "decoder", "loss")] == [
        "video teacher",
        "video decoder",
        "video loss",
    ]
    visible, hidden = made["visible.encoder"][1], made["hidden.encoder"][1]
    assert {"smooth L1, × 0.5", f"{visible} of {visible + hidden} visible"} <= {box.shape for box in diagram.boxes}


def test_videomae_says_whether_its_pixels_are_normalised():
    names = {say: {box.name for box in anatomy.videomae(*build("videomae", normalise_targets=say)).boxes}
             for say in (True, False)}  # fmt: skip
    assert "normalised pixels of hidden tokens" in names[True] and "pixels of hidden tokens" in names[False]
