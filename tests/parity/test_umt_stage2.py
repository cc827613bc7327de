import shutil

import pytest
from safetensors.torch import load_file, save_file

from mvkit import parity

pytest.importorskip("transformers", reason="text models need the extra `text`")
NAMES = ("umt_stage2_public", "umt_stage2_qa_public")
CHANGED = {
    "umt_stage2_public": [
        "video.teacher.target", "video.student.aligned", "video.pooled_vision_embeds", "video.text_embeds",
        "video.vtc.sim_v2t", "video.vtm.weights_t2v", "video.vtm.logits", "image.mlm.logits", "image.loss.vtc",
        "video.grad.temp", "video.grad.text_encoder.bert.embeddings.word_embeddings.weight", "eval.sim_v2t",
        "eval.rerank_t2v",
    ],
    "umt_stage2_qa_public": ["question_states", "answer_logits", "loss", "rank.topk_probs"],
}  # fmt: skip


@pytest.fixture
def folder(recordings, tmp_path):
    for name in NAMES:
        for suffix in (".safetensors", ".json"):
            shutil.copy(recordings / f"{name}{suffix}", tmp_path)
    return tmp_path


def failures(folder, name):
    return [result for result in parity.check(folder, only=name) if not result.passed]


@pytest.mark.parametrize("name", NAMES)
def test_every_recorded_group_is_reproduced(folder, name):
    assert [result.line() for result in failures(folder, name)] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_nudge_of_an_expected_tensor_fails_its_group_alone(folder, name):
    path = folder / f"{name}.safetensors"
    tensors = load_file(path)
    for group in CHANGED[name]:
        tensors[group].view(-1)[-1] += 1e-3 * max(1.0, float(tensors[group].abs().max()))
    save_file(tensors, path)
    assert {result.group for result in failures(folder, name)} == set(CHANGED[name])


def test_tied_weights_that_differ_are_refused(folder):
    path = folder / f"{NAMES[0]}.safetensors"
    tensors = load_file(path)
    tensors["model.text_encoder.cls.predictions.decoder.weight"][0, 0] += 1
    save_file(tensors, path)
    assert any("these weights are one" in (result.note or "") for result in failures(folder, NAMES[0]))
