"""The loader: same batches with and without workers, before and after a stop; broken files replaced and listed."""

import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mvkit.data import shapes
from mvkit.data.dataset import ClipDataset
from mvkit.data.loader import clip_loader
from mvkit.data.manifest import Manifest, read_manifest
from mvkit.data.store import load_arrays
from mvkit.errors import DataError, OptionError

SPEC = shapes.ShapesSpec(clips=18, val=2, frames=9, size=32)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory) -> Manifest:
    return read_manifest(shapes.write(tmp_path_factory.mktemp("shapes with spaces é"), SPEC))


def dataset_of(manifest: Manifest, **options) -> ClipDataset:
    return ClipDataset(manifest, **{"frames": 4, "stride": 1, "size": 24, "seed": 5, **options})


def spoil(manifest: Manifest, folder: Path, *places: int) -> Manifest:
    """The same list with a text file, then missing files, at these places."""
    text = folder / "text.mp4"
    text.write_text("no video at all")
    samples = list(manifest)
    for number, place in enumerate(places):
        samples[place] = replace(samples[place], path=folder / f"gone{number}.mp4" if number else text)
    return replace(manifest, samples=tuple(samples))


def same(a, b) -> bool:
    return (
        torch.equal(a.clips, b.clips)
        and torch.equal(a.indices, b.indices)
        and all(torch.equal(a.labels[name], b.labels[name]) for name in a.labels)
        and (a.replaced, a.captions, a.step, a.epoch) == (b.replaced, b.captions, b.step, b.epoch)
    )


def hang(clip, generator):
    time.sleep(600)


def slow(clip, generator):
    time.sleep(0.2)
    return clip


def die(clip, generator):
    os._exit(3)


def test_grouped_clips_come_together_in_an_order_that_changes_with_the_epoch(manifest):
    samples = [
        replace(sample, group=f"scene {place % 4}" if place < 12 else "") for place, sample in enumerate(manifest)
    ]
    dataset = dataset_of(replace(manifest, samples=tuple(samples)))
    loader = clip_loader(dataset, 3, seed=2, grouped=True)
    orders = []
    for epoch in range(2):
        steps = range(epoch * loader.steps_per_epoch, (epoch + 1) * loader.steps_per_epoch)
        order = [index for step in steps for _, index in loader.keys(step)]
        assert sorted(order) == list(range(18))
        places = {
            group: [at for at, index in enumerate(order) if samples[index].group == group]
            for group in ("scene 0", "scene 1", "scene 2", "scene 3")
        }
        assert all(np.diff(at).tolist() == [1, 1] for at in places.values())
        orders.append(order)
    assert orders[0] != orders[1]


def test_a_batch_is_uint8_clips_with_both_label_sets(manifest):
    batch = next(iter(clip_loader(dataset_of(manifest), 6)))
    assert batch.clips.shape == (6, 3, 4, 24, 24)
    assert batch.clips.dtype == torch.uint8
    for name in ("appearance", "motion"):
        assert batch.labels[name].tolist() == manifest.labels(name)[batch.indices].tolist()
    assert batch.captions == [manifest[i].caption for i in batch.indices.tolist()]
    assert batch.replaced == []


def test_an_epoch_shows_every_clip_once_and_the_next_one_in_another_order(manifest):
    batches = list(clip_loader(dataset_of(manifest), 6, epochs=2))
    orders = [torch.cat([b.indices for b in batches if b.epoch == epoch]).tolist() for epoch in (0, 1)]
    assert [sorted(order) for order in orders] == [list(range(18))] * 2
    assert orders[0] != orders[1]
    assert [b.step for b in batches] == list(range(6))


def test_frames_of_a_clip_are_the_frames_of_the_file(manifest):
    dataset = dataset_of(manifest, size=32, augment="none", sampling="first", stride=2)
    whole = load_arrays(manifest)
    assert whole.shape == (18, 9, 32, 32, 3)
    for index in (0, 7):
        clip, labels = dataset[index]
        assert torch.equal(clip, whole[index, [0, 2, 4, 6]].permute(3, 0, 1, 2))
        assert labels == dict(manifest[index].labels)
        drawn, _ = shapes.render(index, SPEC)
        assert np.abs(whole[index].numpy().astype(int) - drawn).mean() < 14  # 32 pixels: mostly halved chroma


@pytest.mark.parametrize("workers", [0, 2])
def test_a_run_cut_anywhere_and_continued_repeats_bit_for_bit(manifest, tmp_path, workers):
    broken = spoil(manifest, tmp_path, 3, 4, 17)
    whole = list(clip_loader(dataset_of(broken), 5, seed=2, epochs=3))
    assert len(whole) == 9
    assert any(batch.replaced for batch in whole)
    for cut in (0, 4) if workers == 0 else (4,):
        loader = clip_loader(dataset_of(broken), 5, seed=2, epochs=3, start_step=cut, workers=workers)
        rest = list(loader)
        assert len(rest) == len(loader) == 9 - cut
        assert all(same(a, b) for a, b in zip(whole[cut:], rest, strict=True))
    other = next(iter(clip_loader(dataset_of(broken, seed=6), 5, seed=2)))
    assert torch.equal(other.indices, whole[0].indices)
    assert not torch.equal(other.clips, whole[0].clips)


@pytest.mark.parametrize("sampling", ["first", "middles", "interval_middles"])
def test_a_view_for_cached_features_is_the_same_in_every_epoch_and_for_every_seed(manifest, tmp_path, sampling):
    options = {"sampling": sampling, "augment": "centre", "stride": 2, "size": 17}
    broken = spoil(manifest, tmp_path, 3)
    views = [dataset_of(broken, seed=seed, **options).batch([(epoch, 7)]) for seed in (0, 9) for epoch in (0, 4)]
    assert all(torch.equal(view.clips, views[0].clips) for view in views)
    stand_in = dataset_of(broken, **options).batch([(2, 3), (5, 4)])
    assert stand_in.indices.dtype == torch.int64 and stand_in.indices.tolist() == [4, 4]
    assert [(item.index, item.by) for item in stand_in.replaced] == [(3, 4)]
    assert torch.equal(stand_in.clips[0], stand_in.clips[1])


def test_draws_differ_between_clips_and_between_epochs(manifest):
    # One file under twelve places: only the draw can differ.
    twins = replace(manifest, samples=(manifest[0],) * 12)
    dataset = dataset_of(twins, augment="random_resized")
    batches = [dataset.batch([(epoch, index) for index in range(12)]) for epoch in (0, 1)]
    assert len({clip.numpy().tobytes() for batch in batches for clip in batch.clips}) == 24


def test_epochs_can_be_named_and_a_run_can_have_no_end(manifest):
    dataset = dataset_of(manifest)
    second = next(iter(clip_loader(dataset, 6, epoch=1)))
    endless = clip_loader(dataset, 6, epochs=None, start_step=3)
    batches = iter(endless)
    assert same(second, next(batches))
    assert [next(batches).epoch for _ in range(4)] == [1, 1, 2, 2]
    with pytest.raises(OptionError, match="no length"):
        len(endless)


def test_processes_share_a_step_without_overlap(manifest):
    dataset = dataset_of(manifest)
    parts = [clip_loader(dataset, 3, rank=rank, world=2) for rank in range(2)]
    assert [part.steps_per_epoch for part in parts] == [3, 3]
    seen = [index for part in parts for step in range(3) for _, index in part.keys(step)]
    assert sorted(seen) == list(range(18))


def test_a_broken_file_is_replaced_by_the_next_good_one_and_listed(manifest, tmp_path):
    dataset = dataset_of(spoil(manifest, tmp_path, 3, 4))
    batches = list(clip_loader(dataset, 6))
    replaced = {item.index: item for batch in batches for item in batch.replaced}
    assert {index: item.by for index, item in replaced.items()} == {3: 5, 4: 5}
    assert "text.mp4" in replaced[3].reason
    assert set(dataset.broken) == {tmp_path / "text.mp4", tmp_path / "gone1.mp4"}
    shown = torch.cat([batch.indices for batch in batches]).tolist()
    assert sorted(shown) == [0, 1, 2, 5, 5, *range(5, 18)]
    labels = torch.cat([batch.labels["motion"] for batch in batches]).tolist()
    assert labels == manifest.labels("motion")[shown].tolist()


@pytest.mark.parametrize("options", [{}, {"cache": "memory"}])
def test_a_set_with_every_file_broken_ends_with_one_clear_error(manifest, tmp_path, options):
    gone = replace(manifest, samples=tuple(replace(s, path=tmp_path / s.path.name) for s in manifest))
    with pytest.raises(DataError, match=r"none of the 18 samples .* can be read") as caught:
        list(clip_loader(dataset_of(gone, **options), 6))
    assert "\n" not in str(caught.value)


def test_workers_report_what_they_found_broken(manifest, tmp_path):
    dataset = dataset_of(spoil(manifest, tmp_path, 3))
    batches = list(clip_loader(dataset, 6, workers=1))
    assert [item.index for batch in batches for item in batch.replaced] == [3]
    assert list(dataset.broken) == [tmp_path / "text.mp4"]


def test_errors_in_workers_stay_one_line(manifest, tmp_path):
    gone = replace(manifest, samples=tuple(replace(s, path=tmp_path / s.path.name) for s in manifest))
    with pytest.raises(DataError, match="none of the 18 samples") as caught:
        list(clip_loader(dataset_of(gone), 6, workers=1))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("augment", "why", "timeout"), [(hang, "no batch within 3 s", 3), (die, "a loader worker died", 60)]
)
def test_a_worker_that_hangs_or_dies_ends_in_an_error_naming_its_files(manifest, augment, why, timeout, monkeypatch):
    monkeypatch.setattr("mvkit.data.loader._POLL", 0.4)
    began = time.monotonic()
    with pytest.raises(DataError, match=why) as caught:
        list(clip_loader(dataset_of(manifest, augment=augment), 6, workers=1, timeout=timeout))
    assert ".mp4" in str(caught.value)
    assert time.monotonic() - began < 30


def test_a_slow_batch_is_waited_for(manifest, monkeypatch):
    monkeypatch.setattr("mvkit.data.loader._POLL", 0.4)  # 6 clips of 0.2 s are three looks at the workers
    loader = clip_loader(dataset_of(manifest, augment=slow), 6, start_step=2, workers=1, timeout=60)
    assert [len(batch) for batch in loader] == [6]


def test_the_memory_cache_gives_the_same_batches_and_lists_broken_files(manifest, tmp_path):
    broken = spoil(manifest, tmp_path, 3)
    cached = dataset_of(broken, cache="memory")
    assert list(cached.broken) == [tmp_path / "text.mp4"]
    for path in {sample.path for sample in broken} - {tmp_path / "text.mp4"}:
        assert path.is_file()
    plain, fast = (list(clip_loader(d, 6, epochs=2)) for d in (dataset_of(broken), cached))
    assert all(same(a, b) for a, b in zip(plain, fast, strict=True))
    with pytest.raises(OptionError, match="cache_limit"):
        dataset_of(manifest, cache="memory", cache_limit=1e-5)


def test_repeats_share_frames_and_differ_in_augmentation(manifest):
    batch = next(iter(clip_loader(dataset_of(manifest, repeats=3, augment="random_resized"), 4)))
    assert batch.clips.shape[0] == len(batch) == 12
    assert batch.indices.view(4, 3).eq(batch.indices.view(4, 3)[:, :1]).all()
    assert len({clip.numpy().tobytes() for clip in batch.clips}) == 12
    plain = next(iter(clip_loader(dataset_of(manifest, repeats=2, augment="centre"), 4)))
    assert torch.equal(plain.clips[0], plain.clips[1])


def test_mistakes_are_refused_by_name(manifest):
    dataset = dataset_of(manifest)
    with pytest.raises(OptionError, match="do not fill one step of 40; use batch=18"):
        clip_loader(dataset, 40)
    with pytest.raises(OptionError, match="rank=2"):
        clip_loader(dataset, 4, rank=2, world=2)
    with pytest.raises(OptionError, match="does not divide over 4 processes"):
        clip_loader(dataset, 2, world=4, drop_last=False)
    with pytest.raises(OptionError, match="unknown augmentation 'pretrian'"):
        dataset_of(manifest, augment="pretrian")
    with pytest.raises(OptionError, match="'memory'"):
        dataset_of(manifest, cache="disk")
    last = list(clip_loader(dataset, 7, drop_last=False, shuffle=False))
    assert [len(batch) for batch in last] == [7, 7, 4]
    assert torch.cat([batch.indices for batch in last]).tolist() == list(range(18))


def test_an_audit_reaches_the_reader_of_every_sample(manifest, monkeypatch):
    seen = []

    def read(path, indices, reader="auto", *, audit=None, timeout=120.0):
        seen.append(audit)
        return np.zeros((len(indices), 16, 16, 3), np.uint8)

    monkeypatch.setattr("mvkit.data.frames.read_frames", read)
    records = {"somewhere": None}
    ClipDataset(manifest, frames=2, stride=1, size=16, augment="none", audit=records)[0]
    assert seen == [records]
