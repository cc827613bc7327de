import copy

import torch

from mvkit import methods
from mvkit.eval import clip_features, finetune_accuracy, knn_monitor


def encoder():
    torch.manual_seed(0)
    return methods.create("videomae", size="tiny", frames=4, image=16, patch=8).encoder.eval()


def bright_and_dark(n: int = 24):
    labels = torch.arange(n) % 2
    noise = torch.randint(0, 100, (n, 3, 4, 16, 16), generator=torch.Generator().manual_seed(0))
    return (noise + 120 * labels.view(-1, 1, 1, 1, 1)).to(torch.uint8), labels


def test_features_are_the_mean_of_the_tokens_and_do_not_depend_on_the_batch():
    model, (clips, _) = encoder(), bright_and_dark(5)
    all_at_once, one_by_one = clip_features(model, clips), clip_features(model, clips, batch=1)
    assert torch.allclose(all_at_once, one_by_one, atol=1e-5)
    with torch.no_grad():
        assert torch.allclose(all_at_once, model(clips.float() / 255).tokens.mean(1), atol=1e-5)


def test_fine_tuning_learns_what_can_be_learned_and_leaves_the_encoder_alone():
    model, (clips, labels) = encoder(), bright_and_dark()
    before = copy.deepcopy(model.state_dict())
    options = {"epochs": 8, "batch": 8, "precision": "fp32"}
    first = finetune_accuracy(model, clips, labels, clips, labels, **options)
    assert first == 1.0
    assert first == finetune_accuracy(model, clips, labels, clips, labels, **options)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_the_monitor_scores_every_shared_label_set_and_leaves_unlabelled_clips_out():
    clips, labels = bright_and_dark()
    half = torch.where(torch.arange(24) < 12, labels, -1)
    method = methods.create("videomae", size="tiny", frames=4, image=16, patch=8).eval()
    scores = knn_monitor((clips, {"light": labels, "half": half}), (clips, {"light": labels, "half": half}), k=3)(
        method
    )
    assert set(scores) == {"knn/light", "knn/half"}
    assert scores["knn/light"] == 1.0
