import itertools

import pytest
import torch

import mvkit
from mvkit import train
from mvkit.errors import OptionError
from mvkit.train import RunSpec

SPEC = RunSpec(
    options={"size": "tiny", "patch": 8, "ratio": 0.5}, data={"clips": 10, "val": 2, "frames": 6}, frames=4, image=16,
    steps=3, batch=4, log_every=1, cache=True, device="cpu", precision="fp32",
)  # fmt: skip


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    return train.open_manifest(SPEC, root=tmp_path_factory.mktemp("data"))


def test_moving_shapes_is_written_once_and_found_again(tmp_path):
    calls = []
    first = train.open_manifest(SPEC, root=tmp_path, progress=lambda done, of: calls.append(done))
    again = train.open_manifest(SPEC, root=tmp_path, progress=lambda done, of: calls.append(-1))
    assert calls == list(range(1, 11)) and len(first) == len(again) == 10
    assert len(train.train_split(first)) == 8


def test_a_real_set_needs_its_list():
    with pytest.raises(OptionError, match="card 'ucf101' names a set that is not made here"):
        train.open_manifest(SPEC.model_copy(update={"card": "ucf101"}))


def test_batches_from_a_later_step_are_those_of_the_whole_run(manifest):
    source = train.open_source(SPEC, train.train_split(manifest))
    whole = [batch.clips for batch in itertools.islice(source(0), 6)]
    late = [batch.clips for batch in itertools.islice(source(4), 2)]
    assert whole[0].shape == (4, 3, 4, 16, 16) and whole[0].dtype == torch.uint8
    assert all(torch.equal(a, b) for a, b in zip(whole[4:], late, strict=True))


def test_labels_and_clips_come_in_the_same_order(manifest):
    clips, labels = train.clips_and_labels(SPEC, manifest.split("val"))
    assert clips.shape == (2, 3, 4, 16, 16)
    assert labels["motion"].tolist() == [sample.labels["motion"] for sample in manifest.split("val")]


def test_files_to_a_trained_encoder_in_three_lines(manifest, tmp_path):
    run = mvkit.fit(SPEC, train.open_source(SPEC, train.train_split(manifest)), out=tmp_path / "run")
    assert [line["step"] for line in run.journal.lines] == [1, 2, 3]
    loaded, report = mvkit.methods.load(tmp_path / "run" / "checkpoint" / "step_000003")
    assert not report.missing
    assert torch.equal(loaded.encoder.norm.weight, run.method.encoder.norm.weight)


def test_repeats_stand_side_by_side_cut_anew_and_do_not_raise_the_rate(manifest):
    spec = SPEC.model_copy(update={"repeats": 3, "batch": 2, "augment": "pretrain"})
    batch = next(train.open_source(spec, train.train_split(manifest))(0))
    assert batch.clips.shape == (6, 3, 4, 16, 16)
    assert batch.indices[:3].unique().numel() == batch.indices[3:].unique().numel() == 1
    assert not torch.equal(batch.clips[0], batch.clips[1]) or not torch.equal(batch.clips[0], batch.clips[2])
    assert spec.effective_lr == spec.lr * 2 / 256


def test_a_flip_of_one_mirrors_every_clip(manifest):
    specs = (SPEC.model_copy(update={"augment": "pretrain", "flip": flip}) for flip in (None, 1.0))
    plain, mirrored = (next(train.open_source(spec, train.train_split(manifest))(0)).clips for spec in specs)
    assert torch.equal(plain.flip(-1), mirrored) and not torch.equal(plain, mirrored)


def test_a_flip_where_nothing_is_mirrored_is_refused(manifest):
    with pytest.raises(OptionError, match=r"augment='centre' mirrors nothing, got flip=0\.5"):
        train.open_source(SPEC.model_copy(update={"flip": 0.5}), manifest)
