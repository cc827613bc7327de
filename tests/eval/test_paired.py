import numpy as np
import pytest
import torch

from mvkit.errors import OptionError
from mvkit.eval.opened import Opened
from mvkit.eval.paired import caption_groups, paired_loss, tuned
from mvkit.eval.retrieval import retrieval
from mvkit.eval.tuning import TuneSpec, side_by_side
from mvkit.eval.tuning_recipes import RECIPES, tuning_recipe
from tests.eval.told import changed, vl_run


def test_clips_that_share_a_caption_have_one_number_even_over_a_third():
    assert caption_groups([["a"], ["b"], ["A!", "B"], ["c"], ["b"]]) == [0, 0, 0, 3, 0]


def test_the_loss_is_contrast_of_each_steps_vector_and_matching():
    method = vl_run().method
    clips, said = torch.rand(3, 3, 4, 32, 32), ["a red dog", "a blue cat", "a red dog"]
    groups = torch.tensor([0, 1, 0])
    loss = paired_loss(method, clips, said, groups, torch.Generator().manual_seed(0))
    ids, words = method.tokenizer(said)
    seen, states = method.see(clips), method.text.read(ids, words)
    vectors = method.embed(seen.pooled)  # (3, 2 steps, 16)
    cosines = torch.stack([vectors[:, s] @ method.embed_text(states).T for s in range(vectors.shape[1])]).mean(0)
    wanted = torch.tensor([[0.5, 0, 0.5], [0, 1, 0], [0.5, 0, 0.5]])
    logits = cosines / method.temperature
    contrast = -(wanted * (logits.log_softmax(1) + logits.log_softmax(0))).sum() / 6
    # The only clip of another group is drawn for both dogs; for the cat either dog.
    pairs = [(0, 0), (1, 1), (2, 2), (1, 0), (None, 1), (1, 2), (0, 1), (1, None), (2, 1)]
    losses = [
        -method.match(states[[t]], words[[t]], seen.tokens[[c]]).log_softmax(1)[0, int(row < 3)]
        for row, (c, t) in enumerate(pairs)
        if c is not None and t is not None
    ]
    rest = [
        -method.match(states[[t]], words[[t]], seen.tokens[[c]]).log_softmax(1)[0, 0]
        for c, t in ((0, 1), (2, 1), (1, 0), (1, 2))
    ]
    sums = [contrast + (sum(losses) + a + b) / 9 for a in rest[:2] for b in rest[2:]]
    assert min(abs(float(loss - value)) for value in sums) < 1e-4


def test_a_run_is_left_as_it_was_and_the_rate_is_not_scaled(told):
    run = vl_run()
    before = {name: value.clone() for name, value in run.method.state_dict().items()}
    lines = []
    spec = TuneSpec(epochs=2, batch=4, captions=1, lr=1e-3)
    after, left_out = tuned(Opened(run.method, run.spec, told), spec, progress=lines.append)  # type: ignore[arg-type]
    assert all(torch.equal(before[name], value) for name, value in run.method.state_dict().items())
    assert not torch.equal(after.method.vision_proj.weight, run.method.vision_proj.weight)
    # 8 captions, 2 steps an epoch, one epoch of warm-up from a hundredth.
    assert np.allclose([line["lr"] for line in lines], [1e-5, 5e-4, 1e-3, 5e-4]) and not left_out


def test_fine_tuning_before_the_test_is_said_and_files_that_broke_are_named(told):
    manifest = changed(told, {0: {"path": told[0].path.with_name("gone.mp4")}, 1: {"captions": ()}})
    found = retrieval(vl_run(), manifest, tuning=TuneSpec(epochs=1, warmup_epochs=0, batch=7, captions=1), top=2)
    assert found.spec["tuning"]["batch"] == 7
    assert "gone.mp4" in found.left_out["clips that cannot be read (train)"][0]
    assert len(found.left_out["clips without a caption (train)"]) == 1


def test_settings_that_mean_nothing_are_refused():
    for changes, message in (
        ({"flip": 0.5}, "mirrors nothing"), ({"warmup_epochs": 11}, "longer than the run"), ({"lr_rate": 1}, "lr_rate"),
    ):  # fmt: skip
        with pytest.raises(OptionError, match=message):
            TuneSpec(**changes)


@pytest.mark.parametrize("name", RECIPES)
def test_every_published_recipe_is_a_spec_of_12_frames(name):
    spec = tuning_recipe(name)
    assert (spec.frames, spec.batch, spec.weight_decay) == (12, 256, 0.02) and 1e-5 <= spec.lr <= 1e-4


def test_left_and_right_are_not_mirrored_where_captions_say_them():
    assert tuning_recipe("umt_base_ssv2_label").flip == 0
    with pytest.raises(OptionError, match="did you mean 'umt_base_msrvtt"):
        tuning_recipe("umt_base_msrvt")


def test_items_of_a_group_stand_side_by_side_where_the_first_of_them_stood():
    assert side_by_side([4, 0, 3, 1, 2], ["a", "b", "b", 3, "a"]) == [4, 0, 3, 1, 2]
    assert side_by_side([2, 3, 4, 1, 0], ["a", "b", "b", 3, "a"]) == [2, 1, 3, 4, 0]
