"""UMT stage 2 against recordings of the official modules: one step on videos, one on images, and retrieval scores.

Everything random was recorded and is fed in: masks, negatives, hidden words. Sizes, the fusion layer, the number of
frames, ratios and sample ids come from the sidecar and the tensors.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from mvkit.checkpoints import umt_vl as layout
from mvkit.checkpoints.native import load_state
from mvkit.eval.retrieval import rerank, retrieval_scores
from mvkit.losses.alignment import alignment_loss, unit
from mvkit.losses.contrastive import contrastive_loss
from mvkit.losses.matching import hard_weights, matching_loss, pairs
from mvkit.losses.words import IGNORED, word_loss
from mvkit.maskers.attention import AttentionMasker
from mvkit.maskers.base import TokenMask
from mvkit.methods._aligned import visible_features
from mvkit.methods.umt_vl import PARTS, Seen, UmtVl, similarities
from mvkit.models.wordpiece import SpecialWords
from mvkit.parity import _text
from mvkit.parity._networks import clip_teacher
from mvkit.parity._steps import gradients, kept_first
from mvkit.parity.recording import GroupResult, Recording

MEDIA = ("video", "image")


def check(recording: Recording) -> Iterator[GroupResult]:
    """Every group the recording has, in the order of the computation."""
    method = _method(recording)
    for medium in MEDIA:
        if f"{medium}.input.video" in recording:
            yield from _step(recording, method, medium)
    if "eval.sim_v2t" in recording:
        with torch.no_grad():
            yield from _retrieval(recording, method)


def _method(recording: Recording) -> UmtVl:
    config, official = recording.config, recording.under("model.")
    vision, teacher, state = config["vision"], config["teacher"], layout.read(official)
    ratios = {medium: vision.get(f"{medium}_mask_ratio", 0.8) for medium in MEDIA}
    method = UmtVl(
        encoder=_text.encoder(recording, state, any_steps=True),
        teacher=clip_teacher(teacher, layout.teacher(official), teacher["input_resolution"], recording.name),
        text=_text.text(recording, vision["encoder_embed_dim"]),
        tokenizer=_text.Tokens(config["bert"]["vocab_size"], _special(recording)),
        masker=AttentionMasker(ratio=ratios["video"]),
        image_masker=AttentionMasker(ratio=ratios["image"]),
        embed_width=config["embed_dim"],
        clip_return_layer=vision["clip_return_layer"],
        clip_return_interval=teacher.get("clip_return_interval", 1),
        clip_student_return_interval=vision.get("clip_student_return_interval", 1),
        weights={name: config["loss_weight"].get(name, 1.0) for name in PARTS},
    )
    load_state(method, state)
    _text.tied(recording)
    return method


def _special(recording: Recording) -> SpecialWords:
    said = recording.sidecar["special_token_ids"]
    return SpecialWords(said["pad"], said["cls"], said["sep"], said["mask"])


def _step(recording: Recording, method: UmtVl, medium: str) -> Iterator[GroupResult]:
    """One training step on a batch of a medium: every intermediate, every loss, the gradients of their sum."""

    def check(name: str, got: Tensor) -> Iterator[GroupResult]:
        yield from recording.check(f"{medium}.{name}", got)

    clips = _text.clips(recording, f"{medium}.input.video", method.encoder)
    ids, words, idx = (recording[f"{medium}.input.{name}"] for name in ("input_ids", "attention_mask", "idx"))
    grid = method.encoder.grid_of(clips)
    said = method.targets(clips)
    yield from check("teacher.features", said["features"].transpose(0, 1))
    yield from check("teacher.attn", said["attention"].flatten(0, 1))
    mask = TokenMask(recording[f"{medium}.mask"].bool(), grid)
    if f"{medium}.attention.importance" in recording:
        masker = method.image_masker if grid.t == 1 else method.masker
        keep = masker.counts(grid)["encoder"] // grid.t
        mask = kept_first(recording[f"{medium}.attention.importance"], keep, grid)
        yield from check("mask", mask.hidden)
    seen, wanted = method.see(clips, mask), visible_features(said["features"], mask)
    aligned = method.decode(seen.aligned, mask)
    yield from check("teacher.target", wanted.transpose(0, 1))
    yield from check("student.aligned", aligned.transpose(0, 1))
    states = method.text.read(ids, words)
    yield from check("vision_embeds", seen.tokens)
    yield from check("pooled_vision_embeds", seen.pooled)
    yield from check("text_embeds", states)
    yield from check("pooled_text_embeds", states[:, 0])
    losses = {"uta": alignment_loss(unit(aligned), unit(wanted), method.clip_loss)}
    losses["vtc"], logits = yield from _contrast(recording, method, medium, seen, states, idx)
    losses["vtm"] = yield from _matching(recording, method, medium, (states, words, seen.tokens), logits, idx)
    hidden, labels = recording[f"{medium}.mlm.input_ids"], recording[f"{medium}.mlm.labels"]
    guessed = method.guess(hidden, words, seen.tokens)
    yield from check("mlm.logits", guessed)
    losses["mlm"] = word_loss(guessed, labels.masked_fill(labels < 0, IGNORED))
    total = sum(method.weights[name] * loss for name, loss in losses.items())
    assert isinstance(total, Tensor)
    written = recording.sidecar.get("results", {}).get("losses", {})
    for name, loss in {**losses, "total": total}.items():
        yield from check(f"loss.{name}", loss[None])
        key = f"{medium}.loss_{name}"
        yield from recording.number(f"results.losses.{key}", loss, written.get(key))
    method.zero_grad()
    total.backward()
    yield from gradients(recording, method, layout.write, f"{medium}.grad.")


def _contrast(recording: Recording, method: UmtVl, medium: str, seen: Seen, states: Tensor, idx: Tensor):
    clips, texts = method.vision_proj(seen.pooled), method.text_proj(states[:, 0])
    yield from recording.check(f"{medium}.vision_proj", clips)
    yield from recording.check(f"{medium}.text_proj", texts)
    cosines = similarities(method.embed(seen.pooled), method.embed_text(states))
    logits = cosines / method.cool()
    yield from recording.check(f"{medium}.vtc.sim_v2t", logits)
    yield from recording.check(f"{medium}.vtc.sim_t2v", logits.T)
    together = (idx[:, None] == idx).float()
    yield from recording.check(f"{medium}.vtc.targets", together / together.sum(1, keepdim=True))
    return contrastive_loss(cosines, temperature=method.temperature, groups=idx), logits.detach()


def _matching(
    recording: Recording, method: UmtVl, medium: str, said: tuple[Tensor, Tensor, Tensor], logits: Tensor, idx: Tensor
):
    yield from recording.check(f"{medium}.vtm.weights_t2v", hard_weights(logits.T, idx))
    yield from recording.check(f"{medium}.vtm.weights_v2t", hard_weights(logits, idx))
    drawn = (recording[f"{medium}.vtm.{name}_neg_indices"] for name in ("vision", "text"))
    asked = pairs(*said, *drawn)
    first = method.text.fuse(*asked)[:, 0]
    yield from recording.check(f"{medium}.vtm.cls_embeds", first)
    answers = method.match_head(first)
    yield from recording.check(f"{medium}.vtm.logits", answers)
    return matching_loss(answers, len(idx))


def _retrieval(recording: Recording, method: UmtVl) -> Iterator[GroupResult]:
    """Per-step pooling, cosines, and the match logits of the best candidates of each row and column."""
    clips = _text.clips(recording, "video.input.video", method.encoder)
    ids, words = recording["video.input.input_ids"], recording["video.input.attention_mask"]
    seen, states = method.see(clips), method.text.read(ids, words)
    yield from recording.check("eval.vision_embeds", seen.tokens)
    yield from recording.check("eval.pooled_vision_embeds", seen.pooled)
    yield from recording.check("eval.vision_proj", method.vision_proj(seen.pooled))
    cosines = similarities(method.embed(seen.pooled), method.embed_text(states))
    yield from recording.check("eval.sim_v2t", cosines)
    yield from recording.check("eval.sim_t2v", cosines.T)
    found = rerank(method, cosines, (seen.tokens, states, words), top=recording.config["k_test"])
    yield from recording.check("eval.rerank_v2t", found.clips_to_texts)
    yield from recording.check("eval.rerank_t2v", found.texts_to_clips)
    results = recording.sidecar.get("results", {})
    idx = recording["video.input.idx"]
    for key, scores in (("rerank", found), ("emb", found.of_cosines(cosines))):
        if f"retrieval_metrics_{key}" in results:
            got = _text.official_recalls(retrieval_scores(scores, idx, idx))
            said = results[f"retrieval_metrics_{key}"]
            yield recording.same(f"results.retrieval_metrics_{key}", {n: got[n] for n in said}, said)
