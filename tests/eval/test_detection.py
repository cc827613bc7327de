from dataclasses import replace

import numpy as np
import pytest
import torch

from mvkit.data import read_manifest, shapes
from mvkit.data.keyframes import Keyframe, Keyframes, of_tracks
from mvkit.errors import OptionError, RunError
from mvkit.eval.average_precision import Claims
from mvkit.eval.detection import Detected, detection, with_people
from mvkit.eval.detection_examples import examples
from mvkit.eval.detection_spec import RECIPES, DetectionSpec, recipe
from mvkit.eval.detector import box_loss, finetune_detector, predict
from mvkit.eval.opened import VIEWS
from mvkit.models.classifier import VideoClassifier, body

SPEC = recipe("moving_shapes").but(
    frames=4, stride=2, short=32, epochs=2, warmup_epochs=1, batch=4, lr=0.05, precision="fp32", device="cpu",
    resamples=20,
)  # fmt: skip


@pytest.fixture(scope="module")
def stories(tmp_path_factory):
    spec = shapes.ShapesSpec(story="all", clips=24, val=8, frames=12, size=32)
    return read_manifest(shapes.write(tmp_path_factory.mktemp("stories"), spec))


@pytest.fixture(scope="module")
def train(stories):
    return of_tracks(stories.split("train"))


@pytest.fixture(scope="module")
def test(stories):
    return of_tracks(stories.split("val"))


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def test_the_loss_is_the_mean_over_elements_times_the_boxes():
    logits = torch.tensor([[0.0, 2.0, -1.0], [0.5, 0.0, 0.0]], requires_grad=True)
    actions = torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    chances = logits.sigmoid()
    entropy = -(actions * chances.log() + (1 - actions) * (1 - chances).log())
    assert float(box_loss(logits, actions).detach()) == pytest.approx(float(entropy.detach().mean() * 2))
    nobody = box_loss(logits[:0], actions[:0])
    nobody.backward()
    assert float(nobody.detach()) == 0 and logits.grad is not None and logits.grad.eq(0).all(), "a batch without people"


def test_training_repeats_with_its_seed_in_parts_and_leaves_the_encoder_alone(encoder, train):
    before = weights(encoder)
    first, journal, bad = finetune_detector(SPEC, encoder, train)
    assert len(journal.lines) == 8 and not bad and torch.equal(before, weights(encoder))
    assert torch.equal(weights(first), weights(finetune_detector(SPEC, encoder, train)[0]))
    parts = finetune_detector(SPEC.but(accumulate=2, epochs=1), encoder, train)[1]
    whole = finetune_detector(SPEC.but(epochs=1), encoder, train)[1]
    assert parts.lines[0]["loss"] == pytest.approx(whole.lines[0]["loss"], abs=1e-5)
    assert parts.lines[-1]["loss"] == pytest.approx(whole.lines[-1]["loss"], abs=1e-3)


KNOBS = {
    "seed": 1, "drop_path": 0.5, "layer_decay": 0.5, "weight_decay": 0.5, "min_lr": 0.01, "lr": 0.02, "flip": 1.0,
    "colour": True, "crop": 24, "stride": 1, "short": 40, "statistics": "ava", "warmup_epochs": 0,
}  # fmt: skip


def test_every_knob_changes_what_is_learned(encoder, train):
    few = train[:8]
    plain = weights(finetune_detector(SPEC, encoder, few)[0])
    for knob, value in KNOBS.items():
        assert not torch.equal(plain, weights(finetune_detector(SPEC.but(**{knob: value}), encoder, few)[0])), knob


def test_it_learns_what_can_be_learned_and_the_score_says_so(encoder, train):
    few = train[:8]
    done = detection(encoder, few, few, spec=SPEC, epochs=30, lr=0.2, shown=["clip"])
    assert done.outcome.score("frame mAP", shown="clip", **{"class": "all"}) > 0.9
    assert done.outcome.score("frame mAP", shown="chance", **{"class": "all"}) < 0.5
    best, worst = examples(done, 2)
    assert best[0].margin >= best[-1].margin >= worst[-1].margin >= worst[0].margin


def test_an_outcome_has_the_control_the_classes_and_what_was_left_out(encoder, train, test):
    test = replace(test, left_out={"cut": ("boxes.csv:7: ...",)})
    done = detection(encoder, train, test, spec=SPEC, epochs=1)
    shown = [(row.of["shown"], row.of["class"]) for row in done.outcome.rows]
    assert shown[0] == ("clip", "all") and ("one frame", "all") in shown and shown[-1] == ("chance", "all")
    assert {name for view, name in shown if view == "clip"} == {"all", "right", "down", "left", "up"}
    assert done.outcome.left_out == {"cut (test)": ["boxes.csv:7: ..."]}
    assert done.outcome.spec["epochs"] == 1 and done.outcome.spec["true boxes"] == 12
    assert all(np.array_equal(done.found[k.moment].boxes, k.boxes) for k in test)
    both = [
        weights(finetune_detector(SPEC.but(epochs=1), encoder, train, view=VIEWS[v])[0]) for v in ("clip", "one frame")
    ]
    assert torch.equal(both[0], weights(done.model)) and not torch.equal(both[0], both[1])


def test_the_control_sees_the_keyframe_alone(encoder, train, test):
    model = finetune_detector(SPEC.but(epochs=1), encoder, train)[0]
    one = test[:1]
    far = Keyframes((replace(one[0]),), test.classes)
    still, _ = predict(model, SPEC, one, view=VIEWS["one frame"])
    slow, _ = predict(model, SPEC.but(stride=1), far, view=VIEWS["one frame"])
    moving, _ = predict(model, SPEC, one)
    assert np.array_equal(still[one[0].moment].classes, slow[one[0].moment].classes)
    assert not np.allclose(still[one[0].moment].classes, moving[one[0].moment].classes)


def test_a_score_is_the_sigmoid_times_the_box_s_own(encoder, test):
    model = finetune_detector(SPEC.but(epochs=1), encoder, test)[0]
    half = replace(test, items=tuple(replace(k, scores=k.scores / 2) for k in test))
    sure, unsure = predict(model, SPEC, test)[0], predict(model, SPEC, half, batch=3)[0]
    for moment, claims in sure.items():
        assert unsure[moment].classes == pytest.approx(claims.classes / 2, abs=1e-5)
        assert ((claims.classes > 0) & (claims.classes < 1)).all()


def test_people_found_take_the_place_of_true_boxes_and_nothing_goes_without_a_word(test):
    test = replace(test, excluded={(test[2].moment[0], 3.0)})
    first, second, third = (k.moment for k in test[:3])
    box = np.array([[0.1, 0.2, 0.5, 0.9], [0.0, 0.0, 0.3, 0.3]])
    people = {
        first: (box, np.array([0.9, 0.79])),
        (second[0], 1.0): (box, np.array([0.85, 0.8])),  # a moment where nothing is true
        (third[0], 3.0): (box, np.array([1.0, 1.0])),
        ("elsewhere", 6.0): (box, np.array([1.0, 1.0])),
    }
    asked, left_out = with_people(test, people, 0.8)
    by = {k.moment: k for k in asked}
    assert by[first].boxes.tolist() == box[:1].tolist() and by[first].scores.tolist() == [0.9]
    assert len(by[second].boxes) == 0 and not by[first].actions.any()
    new = by[second[0], 1.0]
    assert len(new.boxes) == 2 and new.frame == 1 and new.path == test[1].path and len(asked) == len(test) + 1
    assert left_out["people below 0.8"] == [f"{first}: 1"]
    assert left_out["people on excluded moments"] == [str((third[0], 3.0))]
    assert left_out["people on other videos"] == [str(("elsewhere", 6.0))]
    assert len(left_out["keyframes where nobody was found"]) == len(test) - 1
    assert with_people(test, None, 0.8) == (test, {})


def test_missed_and_false_people_cost_and_are_counted(encoder, test):
    people = {k.moment: (k.boxes, k.scores) for k in test[1:]}
    people[test[1].moment[0], 0.0] = (np.array([[0.0, 0.0, 0.2, 0.2]]), np.ones(1))
    done = detection(encoder, test, test, people=people, spec=SPEC, epochs=1, shown=["clip"])
    counts = done.scores["clip"].counts
    assert counts["frames without a find"] == counts["frames without a true box"] == 1
    assert len(done.outcome.left_out["keyframes where nobody was found"]) == 1


def test_a_broken_file_is_named_and_its_boxes_are_not_in_the_numbers(encoder, train, test, tmp_path):
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"no video")
    broken = replace(test, items=(replace(test[0], path=bad), *test.items[1:]))
    done = detection(encoder, train, broken, spec=SPEC, epochs=1, shown=["clip"])
    named = done.outcome.left_out["keyframes that cannot be read"]
    assert len(named) == 1 and str(bad) in named[0]
    assert done.outcome.spec["true boxes"] == 12 - len(test[0].boxes)


def test_a_fine_tuned_classifier_starts_a_detector_too(encoder, train):
    model = finetune_detector(SPEC.but(epochs=1), VideoClassifier(body(encoder), 3), train)[0]
    assert model.head.out_features == 4


def test_wrong_use_is_refused(encoder, train, test):
    with pytest.raises(OptionError, match="give both train and test"):
        detection(encoder, train)
    with pytest.raises(OptionError, match="other classes"):
        detection(encoder, train, replace(test, classes=("a", "b", "c", "d")), spec=SPEC)
    with pytest.raises(OptionError, match="unknown view 'clips'"):
        detection(encoder, train, test, spec=SPEC, shown=["clips"])
    with pytest.raises(OptionError, match="unknown detection recipe"):
        detection(encoder, train, test, spec="umt_ava")
    with pytest.raises(OptionError, match="unknown option 'step'"):
        detection(encoder, train, test, spec=SPEC, step=3)
    with pytest.raises(OptionError, match="do not fill one step"):
        finetune_detector(SPEC.but(batch=64), encoder, train)
    with pytest.raises(RunError, match="the loss is"):
        finetune_detector(SPEC.but(lr=1e30), encoder, train)


def test_the_recipes_are_the_papers():
    base, large = recipe("umt_base_ava"), recipe("umt_large_ava")
    assert (base.frames, base.batch, base.lr, base.epochs, base.layer_decay, base.drop_path) == (
        8,
        128,
        2.5e-4,
        30,
        0.75,
        0.2,
    )
    assert (large.epochs, large.layer_decay, large.drop_path, large.precision) == (25, 0.85, 0.4, "fp32")
    assert all(isinstance(recipe(name), DetectionSpec) for name in RECIPES)


def judged(keyframes, found):
    """What `examples` reads of a `Detected`."""

    class Model:
        class encoder:
            patch = 8

    test = Keyframes(tuple(keyframes), ("walk", "talk"))
    return Detected(None, SPEC, {}, test, found, Model, None)


def test_examples_are_picked_by_margin_one_a_scene(test):
    place, other = np.array([[0.0, 0.0, 0.4, 0.4]]), np.array([[0.5, 0.5, 1.0, 1.0]])
    walks = np.array([[True, False]])
    keyframes = [
        Keyframe((f"clip{i}", 6.0), test[i].path, place, walks, np.ones(1), 6, group=f"scene{i // 2}") for i in range(8)
    ]
    said = [[0.9, 0.2], [0.95, 0.0], [0.4, 0.3], [0.1, 0.8], [0.6, 0.5]]
    found = {k.moment: Claims(place, np.array([s])) for k, s in zip(keyframes, said, strict=False)}
    found["clip5", 6.0] = Claims(other, np.array([[0.7, 0.1]]))  # nobody there, and the one who is was missed
    found["clip6", 6.0] = Claims(np.concatenate([place, other]), np.array([[0.9, 0.0], [0.3, 0.2]]))
    best, worst = examples(judged(keyframes, found), 2)
    assert [e.margin for e in best] == pytest.approx([0.95, 0.1]), "of a scene the best is taken"
    assert [e.margin for e in worst] == pytest.approx([-1.0, -0.7])
    assert best[0].said == ("walk 0.95",) and best[0].true == ("walk",) and best[0].right.tolist() == [True]
    assert worst[0].true == ("nobody",) and worst[0].missed.tolist() == place.tolist()
    assert worst[1].said == ("talk 0.80",) and not worst[1].right[0] and worst[1].clip.shape == (4, 32, 32, 3)
    assert set(best[0].marks) == {"boxes", "said", "true", "right", "missed"}
