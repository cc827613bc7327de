"""Recordings that are numbers alone: each is checked, each error is seen, and nothing is tuned to the files here."""

import copy
import json
import random
import re

import numpy as np
import pytest

from mvkit import parity

KINDS = ("videomae_aux", "mvd_aux", "umt_aux")
# What a rule starts from. Another start may lead to the same numbers, so an error in these need not show.
INPUTS = {
    *("duration", "src_h", "src_w", "sampling_rate", "grid", "ratio", "numpy_seed", "python_random_seed", "image_wh"),
    *("args", "video_length", "clip_idx", "num_frames", "test_num_segment", "mode", "scales", "input_size", "order"),
    *("window", "text", "num_warmup_steps", "num_training_steps", "layer_decay", "depth", "num_layers", "max_distort"),
    *("base", "final", "epochs", "steps_per_epoch", "warmup_epochs", "start", "returns", "min_lr_multi", "drawn_end"),
}


# The one setting of these groups that nothing else in the recording says.
SETTINGS = {("stage1_param_groups", 0, "weight_decay")}


def failures(folder):
    return [result for result in parity.check(folder) if not result.passed]


def write(folder, kind, entries, name="other"):
    """A recording of these entries alone, where the kind keeps them."""
    said = {"note": "made by a test", **({"values": entries} if kind == "umt_aux" else entries)}
    path = folder / f"{kind}_{name}.json"
    path.write_text(json.dumps(said))
    return path


def read(recordings, kind):
    said = json.loads((recordings / f"{kind}_public.json").read_text())
    entries = said["values"] if kind == "umt_aux" else said
    return {name: entry for name, entry in entries.items() if isinstance(entry, (dict, list))}


def leaves(entry, path=()):
    """Paths of the recorded results in an entry, those of one pattern together."""
    if not isinstance(entry, (dict, list)):
        return {tuple("*" if isinstance(key, int) else key for key in path): [path]}
    found = {}
    for key, item in entry.items() if isinstance(entry, dict) else enumerate(entry):
        if key not in INPUTS | {"note"} or (key == "scales" and isinstance(item, dict)):
            for pattern, paths in leaves(item, (*path, key)).items():
                found.setdefault(pattern, []).extend(paths)
    return found


def spoil(entry, path):
    """A copy with the smallest error worth the name at a path."""
    spoilt = copy.deepcopy(entry)
    place = spoilt
    for key in path[:-1]:
        place = place[key]
    value = place[path[-1]]
    if isinstance(value, float):
        place[path[-1]] = value * (1 + 1e-5) if value else 1e-8
    elif isinstance(value, int):
        place[path[-1]] = value + 1
    else:
        place[path[-1]] = f"{value}x" if isinstance(value, str) else 1
    return spoilt


@pytest.mark.parametrize("kind", KINDS)
def test_every_recorded_number_is_reproduced(recordings, tmp_path, kind):
    write(tmp_path, kind, read(recordings, kind))
    results = list(parity.check(tmp_path))
    assert [result.line() for result in results if not result.passed] == []
    assert {result.group.split(".")[0] for result in results} == set(read(recordings, kind))


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_in_any_recorded_result_fails(recordings, tmp_path, kind):
    draw = random.Random(0)
    for name, entry in read(recordings, kind).items():
        patterns = leaves(entry)
        assert patterns, name
        for paths in patterns.values():
            for path in {paths[0], paths[-1], draw.choice(paths)}:
                if (name, *path) in SETTINGS:
                    continue
                write(tmp_path, kind, {name: spoil(entry, path)})
                assert failures(tmp_path), f"{name} {path}"


@pytest.mark.parametrize("kind", KINDS)
def test_an_entry_that_is_absent_is_passed_over(recordings, tmp_path, kind):
    entries = read(recordings, kind)
    for name in entries:
        write(tmp_path, kind, {other: entry for other, entry in entries.items() if other != name}, name=name)
    results = list(parity.check(tmp_path))
    assert [result.line() for result in results if not result.passed] == []
    absent = {(result.fixture.removeprefix(f"{kind}_"), result.group.split(".")[0]) for result in results}
    assert not any((name, name) in absent for name in entries)


@pytest.mark.parametrize("kind", KINDS)
def test_an_entry_that_nothing_reads_is_named_and_fails(recordings, tmp_path, kind):
    entries = read(recordings, kind)
    name = "tube_mask" if "tube_mask" in entries else "masks"
    for case in entries[name] if isinstance(entries[name], list) else [entries[name]]:
        case["colour"] = [1, 2]
    write(tmp_path, kind, {name: entries[name], "mystery": {"numbers": [1, 2]}})
    lines = " ".join(result.line() for result in failures(tmp_path))
    assert re.search(r"nothing reads entry (values\.)?mystery", lines)
    assert re.search(rf"nothing reads entry (values\.)?{name}(\[0\])?\.colour", lines)


def test_a_broken_entry_fails_in_one_line_and_the_others_are_checked(recordings, tmp_path):
    entries = read(recordings, "videomae_aux")
    entries["pretrain"][3]["drawn_start"] = 10**6
    del entries["cosine_scheduler"]["base"]
    entries["k400_test_5x3"][0]["views"].pop()
    entries["finetune_param_groups"]["params"] = 5
    entries["pretrain_param_groups"]["mask_token"] = "none"
    entries["ssv2_train_bounds"][1] = None
    write(tmp_path, "videomae_aux", entries)
    found = failures(tmp_path)
    assert {r.group.split(".")[0] for r in found} >= set(entries) - {
        *("ssv2_test_2x3", "k400_train_short_video", "k400_train_long_video", "tube_mask")
    }
    assert all("\n" not in r.line() for r in found)
    assert any(r.group == "tube_mask.masked_total" and r.passed for r in parity.check(tmp_path))


def test_numbers_alone_of_a_kind_made_of_tensors_and_of_no_kind_fail(recordings, tmp_path):
    for name in ("videomae_pretrain_public", "unheard_of_aux"):
        (tmp_path / f"{name}.json").write_text("{}")
    (tmp_path / "mvd_aux_cut.json").write_text('{"pretrain": [')
    lines = [result.line() for result in failures(tmp_path)]
    assert len(lines) == 3
    assert "cannot be checked" in lines[0] and "no checker" in lines[1] and ".safetensors is missing" in lines[2]


def test_another_videomae_with_other_numbers_is_checked(tmp_path):
    ratio, seed, (t, h, w) = 0.65, 21, (3, 4, 5)
    hidden = np.hstack([np.zeros(20 - 13), np.ones(13)])
    np.random.RandomState(seed).shuffle(hidden)
    ramp = np.linspace(2e-6, 3e-3, 10)
    wave = [1e-4 + 0.5 * (3e-3 - 1e-4) * (1 + np.cos(np.pi * i / 25)) for i in range(25)]
    parameters = {
        name: {"group": f"layer_{level}_{decay}", "weight_decay": 0.1 if decay == "decay" else 0.0, "lr_scale": scale}
        for name, level, decay, scale in _deep_classifier(depth=4, layer_decay=0.9)
    }
    frames = [[int(c * 7 / 2) * 4 + 4 * i for i in range(8)] for c in range(3)]  # 15 taken, 7 to spare
    views = [
        {"chunk": c, "split": s, "frames": frames[c], "top": 0, "left": left, "h": 112, "w": 112}
        for c in range(3)
        for s, left in enumerate((0, 37))
    ]
    entries = {
        "k400_test_3x2": [
            {
                "duration": 60, "src_h": 240, "src_w": 320, "resized_h": 112, "resized_w": 149,
                "loaded_frames": list(range(0, 60, 4)), "views": views,
            }
        ],
        "cosine_scheduler": {
            "base": 3e-3, "final": 1e-4, "epochs": 7, "steps_per_epoch": 5, "warmup_epochs": 2, "start": 2e-6,
            "values": [*ramp.tolist(), *wave],
        },
        "pretrain": [{"sampling_rate": 3, "duration": 24, "n_possible_starts": 1, "drawn_start": 0,
                      "frames": [0, 3, 6, 9, 12, 15, 18, 21]}],
        "finetune_param_groups": {"depth": 4, "layer_decay": 0.9, "weight_decay": 0.1, "params": parameters},
        "tube_mask": [{"grid": [t, h, w], "ratio": ratio, "masked_per_slot": 13, "masked_total": 39,
                       "visible_total": 21, "numpy_seed": seed,
                       "slot0_masked_positions": np.flatnonzero(hidden).tolist()}],
    }  # fmt: skip
    write(tmp_path, "videomae_aux", entries)
    assert [result.line() for result in failures(tmp_path)] == []
    parameters["blocks.3.attn.q_bias"]["lr_scale"] = 0.81
    write(tmp_path, "videomae_aux", entries)
    assert [result.group for result in failures(tmp_path)] == ["finetune_param_groups.lr_scale"]


def _deep_classifier(depth, layer_decay):
    block = {
        "no_decay": ("norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias", "attn.q_bias", "attn.v_bias",
                     "attn.proj.bias", "mlp.fc1.bias", "mlp.fc2.bias"),
        "decay": ("attn.qkv.weight", "attn.proj.weight", "mlp.fc1.weight", "mlp.fc2.weight"),
    }  # fmt: skip
    levels = {0: {"no_decay": ("patch_embed.proj.bias",), "decay": ("patch_embed.proj.weight",)}}
    levels |= {i + 1: {d: tuple(f"blocks.{i}.{n}" for n in names) for d, names in block.items()} for i in range(depth)}
    levels[depth + 1] = {"no_decay": ("fc_norm.weight", "fc_norm.bias", "head.bias"), "decay": ("head.weight",)}
    for level, kinds in levels.items():
        for decay, names in kinds.items():
            for name in names:
                yield name, level, decay, layer_decay ** (depth + 1 - level)


def test_another_umt_with_other_numbers_is_checked(tmp_path):
    draws = np.random.RandomState(31)
    scattered, step = np.arange(36) >= 36 - 10, np.arange(12) >= 12 - 3
    draws.shuffle(scattered)
    draws.shuffle(step)
    choices, frames = random.Random(4), np.random.RandomState(6).randint(9, size=5)
    entries = {
        "masks": {
            "numpy_seed": 31, "window": [3, 3, 4], "ratio": 0.3, "order": "random then tube",
            "random": np.flatnonzero(~scattered).tolist(),
            "tube": np.flatnonzero(~np.tile(step, 3)).tolist(),
        },
        "stage1_train_frame_ids": [
            {"numpy_seed": 6, "video_length": 47, "frame_ids": (frames + 9 * np.arange(5)).tolist()},
            {"numpy_seed": 6, "video_length": 4, "frame_ids": [0] * 5},
        ],
        "stage2_rand_indices": [
            {"python_random_seed": 4, "num_frames": 3, "video_length": 31,
             "indices": [choices.choice(range(a, b)) for a, b in ((0, 9), (10, 19), (20, 30))]},
            {"python_random_seed": 4, "num_frames": 4, "video_length": 3, "indices": [0, 1, 2, 2]},
            {"python_random_seed": 4, "num_frames": 4, "video_length": 6, "indices": [0, 2, 3, 5]},
        ],
        "stage2_lr_multiplier": {"num_warmup_steps": 0, "num_training_steps": 2, "min_lr_multi": 0.2,
                                 "values": [1.0, 0.5, 0.2]},
        "finetune_layer_decay": {"layer_decay": 0.5, "num_layers": 4,
                                 "scales": {"blocks.0.norm1.weight": 0.0625, "patch_embed.proj.bias": 0.03125,
                                            "cls_token": 0.03125, "fc_norm.bias": 1.0}},
    }  # fmt: skip
    write(tmp_path, "umt_aux", entries)
    assert [result.line() for result in failures(tmp_path)] == []
    entries["stage2_rand_indices"][2]["indices"] = [0, 2, 2, 5]
    entries["finetune_layer_decay"]["scales"]["blocks.9.norm1.weight"] = 0.25
    write(tmp_path, "umt_aux", entries)
    assert {r.group for r in failures(tmp_path)} == {"stage2_rand_indices.indices", "finetune_layer_decay.scales"}


def test_another_mvd_takes_the_middles_of_rounded_parts(tmp_path):
    views = [
        {"chunk": c, "split": 0, "frames": frames, "top": 16, "left": 0, "h": 64, "w": 64}
        for c, frames in enumerate(([1, 6, 11, 16], [2, 7, 12, 17], [4, 9, 14, 19]))
    ]
    # 21 frames in 4 parts of 5, each part in 3 pieces with borders at 0, 2, 3, 5 (5/3 and 10/3 rounded).
    entries = {
        "ssv2_test_3x1": [
            {"duration": 21, "src_h": 120, "src_w": 80, "resized_h": 96, "resized_w": 64, "views": views,
             "loaded_frames": [1, 2, 4, 6, 7, 9, 11, 12, 14, 16, 17, 19]}
        ],
        "ssv2_train_bounds": [{"duration": 11, "lowest": [0, 2, 5, 8], "highest": [2, 5, 8, 10]}],
    }  # fmt: skip
    write(tmp_path, "mvd_aux", entries)
    assert [result.line() for result in failures(tmp_path)] == []
    write(tmp_path, "videomae_aux", entries)
    assert {result.fixture for result in failures(tmp_path)} == {"videomae_aux_other"}


def test_the_committed_recordings_are_the_shared_ones(recordings, shared):
    files = [path for path in (shared / "parity").iterdir() if path.suffix in (".json", ".safetensors")]
    assert [path.name for path in files if path.read_bytes() != (recordings / path.name).read_bytes()] == []
