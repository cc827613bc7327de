import copy
import math
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mvkit import methods
from mvkit.data import load_arrays
from mvkit.errors import OptionError, RunError, ShapeError
from mvkit.eval import FinetuneSpec, clip_features, finetune, finetune_accuracy, knn_monitor
from mvkit.eval.finetune import logits
from mvkit.models import VideoClassifier, VideoViT
from mvkit.models.classifier import body
from mvkit.tokens import TokenGrid
from mvkit.train.optim import parameter_groups
from mvkit.train.seed import derive, generator


def pretrained():
    torch.manual_seed(0)
    return methods.create("videomae", size="tiny", frames=4, image=16, patch=8).encoder.eval()


def bright_and_dark(n: int = 24, size: int = 16):
    labels = torch.arange(n) % 2
    noise = torch.randint(0, 100, (n, 3, 4, size, size), generator=torch.Generator().manual_seed(0))
    return (noise + 120 * labels.view(-1, 1, 1, 1, 1)).to(torch.uint8), labels


def test_features_are_the_mean_of_the_tokens_and_do_not_depend_on_the_batch():
    model, (clips, _) = pretrained(), bright_and_dark(5)
    all_at_once, one_by_one = clip_features(model, clips), clip_features(model, clips, batch=1)
    assert torch.allclose(all_at_once, one_by_one, atol=1e-5)
    with torch.no_grad():
        assert torch.allclose(all_at_once, model(clips.float() / 255).tokens.mean(1), atol=1e-5)


def test_fine_tuning_learns_what_can_be_learned_and_leaves_the_encoder_alone():
    model, (clips, labels) = pretrained(), bright_and_dark()
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


@pytest.mark.parametrize("seed", [0, 3])
def test_the_quick_version_equals_the_loop_written_by_hand(seed, monkeypatch):
    model, (clips, _) = pretrained(), bright_and_dark(30)
    labels, losses, entropy = torch.arange(30) % 3, [], F.cross_entropy
    body = copy.deepcopy(model)
    body.norm = nn.Identity()
    torch.manual_seed(derive(seed, "head"))
    hand = VideoClassifier(body, 3).train()
    optimiser = torch.optim.AdamW(
        [
            {"params": [p for p in hand.parameters() if p.ndim > 1], "weight_decay": 0.05},
            {"params": [p for p in hand.parameters() if p.ndim == 1], "weight_decay": 0.0},
        ]
    )
    for step in range(24):
        rate = 1e-3 * step
        if step > 1:
            rate = 1e-5 + 0.5 * (1e-3 - 1e-5) * (1 + math.cos(math.pi * (step - 2) / 22))
        for group in optimiser.param_groups:
            group["lr"] = rate
        order = torch.randperm(20, generator=generator(seed, "finetune", step // 3))
        ids = order[step % 3 * 8 : step % 3 * 8 + 8]
        losses.append(entropy(hand(clips[ids].float() / 255), labels[ids]))
        optimiser.zero_grad()
        losses[-1].backward()
        optimiser.step()
    said = hand.eval()(clips[20:].float() / 255).argmax(1)
    seen = []
    monkeypatch.setattr(F, "cross_entropy", lambda *args, **options: seen.append(entropy(*args, **options)) or seen[-1])
    got = finetune_accuracy(
        model, clips[:20], labels[:20], clips[20:], labels[20:], epochs=8, batch=8, seed=seed, precision="fp32"
    )
    assert torch.allclose(torch.stack(seen).detach(), torch.stack(losses).detach(), atol=1e-5)
    assert got == pytest.approx(float((said == labels[20:]).float().mean()))


SPEC = FinetuneSpec(
    label="motion", frames=4, stride=2, image=32, sampling="first", epochs=2, warmup_epochs=1, batch=6, repeats=2,
    lr=0.02, precision="fp32", device="cpu",
)  # fmt: skip
PLAIN = SPEC.but(augment="none", repeats=1, mixup=0.0, cutmix=0.0, drop_path=0.0)


def weights(done):
    return torch.cat([p.detach().flatten() for p in done.model.parameters()])


def as_tensors(manifest, label="motion"):
    clips = load_arrays(manifest, 4, stride=2).permute(0, 4, 1, 2, 3).contiguous()
    return clips, torch.from_numpy(manifest.labels(label))


def test_a_layer_learns_slower_the_deeper_it_lies_below_the_head():
    model = VideoClassifier(VideoViT(TokenGrid(1, 2, 2), patch=4, width=8, depth=12, heads=2, final_norm=False), 3)
    names = {parameter: name for name, parameter in model.named_parameters()}
    scale = {
        names[p]: group["lr_scale"]
        for group in parameter_groups(model, 0.05, layer_decay=0.75)
        for p in group["params"]
    }
    assert set(scale) == set(names.values())
    for name, got in scale.items():
        block = re.match(r"encoder\.blocks\.(\d+)\.", name)
        wanted = 0.75 ** (12 - int(block[1])) if block else 0.75**13 if "patch_embed" in name else 1.0
        assert got == pytest.approx(wanted), name
    assert scale["encoder.blocks.11.norm1.bias"] == 0.75 and scale["fc_norm.weight"] == scale["head.bias"] == 1.0


def test_training_equals_the_loop_written_by_hand(encoder, moving):
    spec = PLAIN.but(label="appearance", epochs=4, warmup_epochs=1, layer_decay=0.6, min_lr=0.004, batch=12)
    clips, labels = as_tensors(moving, "appearance")
    done = finetune(spec, encoder, moving)
    made = body(encoder)
    torch.manual_seed(derive(0, "head"))
    hand = VideoClassifier(made, 8)
    levels = {"patch_embed": 0.6**3, "blocks.0": 0.6**2, "blocks.1": 0.6}
    groups = []
    for name, p in hand.named_parameters():
        scale = next((value for part, value in levels.items() if part in name), 1.0)
        groups.append({"params": [p], "scale": scale, "weight_decay": 0.05 if p.ndim > 1 else 0.0})
    optimiser = torch.optim.AdamW(groups, betas=(0.9, 0.999))
    top, low = 0.02 * 12 / 256, 0.004 * 12 / 256
    rates = [0.0, top] + [low + 0.5 * (top - low) * (1 + math.cos(math.pi * i / 6)) for i in range(6)]
    for step, rate in enumerate(rates):
        order = np.random.default_rng((derive(0, "finetune order") >> 32, step // 2)).permutation(24)
        ids = torch.from_numpy(order[step % 2 * 12 : step % 2 * 12 + 12])
        logs = hand(clips[ids].float() / 255).log_softmax(1)
        soft = torch.full((12, 8), 0.1 / 8).scatter(1, labels[ids, None], 0.9 + 0.1 / 8)
        loss = -(soft * logs).sum(1).mean()
        for group in optimiser.param_groups:
            group["lr"] = rate * group["scale"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        assert done.journal.lines[step]["loss"] == pytest.approx(float(loss.detach()), abs=1e-5)
        assert done.journal.lines[step]["lr"] == pytest.approx(rate)
    assert len(done.journal.lines) == len(rates)
    for (name, a), b in zip(hand.named_parameters(), done.model.parameters(), strict=True):
        assert torch.allclose(a, b, atol=2e-5), name


def test_files_and_tensors_of_the_same_clips_give_the_same_weights(encoder, moving):
    by_file, by_tensor = finetune(SPEC, encoder, moving), finetune(SPEC, encoder, as_tensors(moving), classes=8)
    assert torch.equal(weights(by_file), weights(by_tensor))
    assert by_file.journal.lines == by_tensor.journal.lines and len(by_file.journal.lines) == 8


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"workers": 1}, {"cache": True}])
def test_workers_and_a_cache_change_nothing(encoder, moving, options):
    plain, other = finetune(SPEC, encoder, moving), finetune(SPEC.but(**options), encoder, moving)
    assert torch.equal(weights(plain), weights(other))


def test_a_seed_decides_everything_and_neither_encoder_nor_global_draws_are_touched(encoder, moving):
    data, before = as_tensors(moving), copy.deepcopy(encoder.state_dict())
    spec = SPEC.but(drop_path=0.4, dropout=0.3)
    torch.manual_seed(1)
    first = finetune(spec, encoder, data, classes=8)
    drawn = torch.rand(1)
    torch.manual_seed(1)
    assert torch.equal(drawn, torch.rand(1))
    torch.manual_seed(2)
    assert torch.equal(weights(first), weights(finetune(spec, encoder, data, classes=8)))
    assert not torch.equal(weights(first), weights(finetune(spec.but(seed=1), encoder, data, classes=8)))
    assert all(torch.equal(before[name], value) for name, value in encoder.state_dict().items())


KNOBS = {
    "drop_path": 0.5, "dropout": 0.5, "mixup": 0.8, "smoothing": 0.0, "layer_decay": 0.5, "augment": "finetune",
    "repeats": 2, "weight_decay": 0.3, "beta2": 0.9, "min_lr": 0.01, "warmup_lr": 0.01, "batch": 8,
}  # fmt: skip


@pytest.mark.parametrize(("knob", "value"), KNOBS.items())
def test_every_knob_changes_what_is_learned(encoder, moving, knob, value):
    data = as_tensors(moving)
    plain = finetune(PLAIN, encoder, data, classes=8)
    assert not torch.equal(weights(plain), weights(finetune(PLAIN.but(**{knob: value}), encoder, data, classes=8)))


def test_a_step_computed_in_parts_is_the_same_step(encoder, moving):
    data = as_tensors(moving)
    spec = SPEC.but(drop_path=0.0, epochs=1, batch=12, repeats=1)
    whole, parts = (finetune(spec.but(accumulate=n), encoder, data, classes=8) for n in (1, 3))
    assert whole.journal.lines[0]["loss"] == pytest.approx(parts.journal.lines[0]["loss"], abs=1e-6)
    assert torch.allclose(weights(whole), weights(parts), atol=1e-5)


def test_the_whole_recipe_learns_what_can_be_learned(encoder):
    clips, labels = bright_and_dark(48, size=32)
    spec = SPEC.but(epochs=16, batch=8, rand_augment=False, sampling="dense")
    done = finetune(spec, encoder, (clips[:32], labels[:32]))
    assert float((logits(done.model, clips[32:]).argmax(1) == labels[32:]).float().mean()) > 0.9


def test_a_broken_file_is_named_and_replaced(encoder, moving, tmp_path):
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"no video")
    manifest = replace(moving, samples=(replace(moving[0], path=bad), *moving.samples[1:]))
    assert list(finetune(SPEC, encoder, manifest).broken) == [bad]


def test_clips_without_the_label_are_left_out_of_a_manifest_and_refused_in_tensors(encoder, moving):
    half = replace(moving, samples=tuple(replace(s, labels={}) for s in moving.samples[:12]) + moving.samples[12:])
    spec = PLAIN.but(epochs=1)
    assert torch.equal(weights(finetune(spec, encoder, half)), weights(finetune(spec, encoder, moving[12:])))
    clips, labels = as_tensors(moving)
    with pytest.raises(ShapeError, match="leave clips without a label out"):
        finetune(spec, encoder, (clips, torch.full_like(labels, -1)))
    with pytest.raises(OptionError, match="unknown label set 'action'"):
        finetune(spec.but(label="action"), encoder, moving)
    with pytest.raises(OptionError, match="label 7 does not fit 3 classes"):
        finetune(spec, encoder, moving, classes=3)
    with pytest.raises(OptionError, match="24 clips do not fill one step of 32"):
        finetune(spec.but(batch=32), encoder, (clips, labels))


def test_fine_tuning_goes_on_from_a_classifier_with_the_rows_of_its_head_that_are_wanted(encoder, moving):
    first = finetune(PLAIN, encoder, moving).model
    frozen = PLAIN.but(lr=1e-12, min_lr=0.0, epochs=1, weight_decay=0.0)
    clips, labels = as_tensors(moving)
    some = labels < 3
    second = finetune(frozen.but(batch=2), first, (clips[some], labels[some]), head_rows=range(3)).model
    assert torch.allclose(logits(second, clips), logits(first, clips)[:, :3], atol=1e-5)
    fresh = finetune(frozen, first, moving).model
    assert torch.allclose(fresh.features(clips.float() / 255), first.features(clips.float() / 255), atol=1e-5)
    assert float(fresh.head.weight.detach().abs().max()) < 1e-3
    with pytest.raises(ShapeError, match="a head of 8 classes wants 8 rows out of 0 to 7, got 3"):
        finetune(frozen, first, moving, head_rows=range(3))
    with pytest.raises(OptionError, match="starts from an encoder"):
        finetune(frozen, encoder, moving, head_rows=range(8))


def test_every_step_drops_something_else(encoder, moving):
    first = finetune(PLAIN, encoder, moving).model
    clips, labels = as_tensors(moving)
    same = clips[:1].repeat(6, 1, 1, 1, 1), labels[:1].repeat(6)
    still = PLAIN.but(epochs=3, warmup_epochs=0, lr=1e-12, min_lr=0.0, weight_decay=0.0)
    for options, different in (({}, 1), ({"dropout": 0.5}, 3), ({"drop_path": 0.5}, 3)):
        done = finetune(still.but(**options), first, same, classes=8, head_rows=range(8))
        assert len({round(line["loss"], 6) for line in done.journal.lines}) == different, options


def test_a_loss_that_is_not_finite_stops_the_run(encoder, moving):
    with pytest.raises(RunError, match="step 3: the loss is nan"):
        finetune(PLAIN.but(lr=1e30), encoder, moving)
