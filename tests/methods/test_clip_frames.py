import math

import pytest
import torch

from mvkit import checkpoints, methods
from mvkit.errors import ShapeError

OPTIONS = {"size": "tiny", "image": 16, "patch": 8, "out_width": 6}
CAPTIONS = ["a red cross", "a blue circle", "A red, cross!"]


def method():
    torch.manual_seed(0)
    return methods.create("clip_frames", **OPTIONS)


def clips(batch: int = 3) -> torch.Tensor:
    return torch.rand(batch, 3, 5, 16, 16, generator=torch.Generator().manual_seed(0))


def step(model, x, seed=0, **more):
    given = {"captions": CAPTIONS, "artifacts": True, **more}
    return model(x, generator=torch.Generator().manual_seed(seed), **given)


def test_each_clip_gives_one_of_its_own_frames_and_another_seed_others():
    x, model = clips(), method()
    seen = [step(model, x, seed).artifacts["frames"] for seed in range(6)]
    places = [[int((x[row] == frames[row]).flatten(2).all(2).all(0).nonzero()) for row in range(3)] for frames in seen]
    assert len({tuple(place) for place in places}) > 1
    assert any(len(set(place)) > 1 for place in places)


def test_the_loss_is_the_symmetric_contrast_of_class_token_and_caption():
    model, x = method(), clips()
    out = step(model, x)
    frames = model.encoder.head(model.encoder(out.artifacts["frames"]).class_token)
    table = torch.cosine_similarity(frames[:, None], model.text(CAPTIONS)[None], dim=2)
    assert torch.allclose(out.artifacts["similarity"], table, atol=1e-6)
    logits = table.double() / 0.07
    wanted = torch.tensor([[0.5, 0, 0.5], [0, 1, 0], [0.5, 0, 0.5]])  # the first and last caption are one
    both = -(wanted * logits.log_softmax(1)).sum() - (wanted * logits.log_softmax(0)).sum()
    assert out.loss.item() == pytest.approx(both.item() / 6, abs=1e-5)


def test_the_temperature_starts_at_7_hundredths_and_is_never_below_one_hundredth():
    model = method()
    assert model.logit_scale.item() == pytest.approx(math.log(1 / 0.07))
    with torch.no_grad():
        model.logit_scale.fill_(9.0)
    step(model, clips()).loss.backward()
    assert math.exp(-model.logit_scale.item()) == pytest.approx(0.01)
    # Still learned: a temperature held by a clamp inside the graph would be stuck here.
    assert model.logit_scale.grad is not None and model.logit_scale.grad.item() != 0


def test_nothing_is_hidden():
    mask = step(method(), clips()).masks["encoder"]
    assert mask.hidden_ids.shape == (3, 0)


def test_a_missing_caption_is_refused():
    with pytest.raises(ShapeError, match="3 clips came with 2 captions"):
        step(method(), clips(), captions=CAPTIONS[:2])


def test_a_saved_run_is_an_image_teacher_with_class_attention(tmp_path):
    checkpoints.save(tmp_path, method(), name="clip_frames", options=OPTIONS)
    teacher = checkpoints.open_teacher(f"run:{tmp_path}")
    assert teacher.per_frame
    said = teacher(clips(), layers=(4,), heads=(4,))
    assert teacher.class_attention(said, 4).shape == (3, 5, 4)
    assert teacher.finish(said.layers[4]).shape == (3, 20, 6)


def test_a_video_encoder_is_refused():
    made = method()
    video = methods.create("videomae", size="tiny", frames=4, image=16, patch=8).encoder
    with pytest.raises(ShapeError, match="class token"):
        type(made)(encoder=video, text=made.text)
