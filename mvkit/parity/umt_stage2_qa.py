"""UMT's video question answering against recordings: states of the questions, losses of the answers, their ranking."""

from collections.abc import Iterator

import torch

from mvkit.checkpoints import bert as bert_layout
from mvkit.checkpoints import umt_vl as layout
from mvkit.checkpoints._names import below
from mvkit.checkpoints.native import load_state
from mvkit.models.answers import AnswerDecoder, VideoQA
from mvkit.parity import _text
from mvkit.parity.recording import GroupResult, Recording


def check(recording: Recording) -> Iterator[GroupResult]:
    """Every group the recording has, in the order of the computation."""
    model = _model(recording)
    clips = _text.clips(recording, "input.video", model.encoder)
    ids, mask = recording["input.question_ids"], recording["input.question_mask"]
    with torch.no_grad():
        yield from recording.check("vision_embeds", model.encoder(clips).tokens)
        states = model.ask(clips, ids, mask)
        yield from recording.check("question_states", states)
        answers = recording["input.answer_ids"], recording["input.answer_mask"]
        counts, weights = recording["input.answers_per_question"], recording["input.answer_weights"]
        logits = model.decoder(*answers, *(x.repeat_interleave(counts, 0) for x in (states, mask)))
        yield from recording.check("answer_logits", logits)
        yield from recording.check("answer_loss_per_answer", model.decoder.losses(logits, answers[0]))
        loss = model.loss(states, mask, answers, weights, counts)
        yield from recording.check("loss", loss[None])
        yield from recording.number("results.loss", loss, recording.sidecar.get("results", {}).get("loss"))
        candidates = recording["input.candidate_ids"], recording["input.candidate_mask"]
        ranked = model.rank(states, mask, candidates, top=recording.config["k_test"])
        yield from recording.check("rank.topk_ids", ranked.ids)
        yield from recording.check("rank.topk_probs", ranked.probabilities)


def _model(recording: Recording) -> VideoQA:
    config, official = recording.config, recording.under("model.")
    state = layout.read(official)
    width, words = config["bert"]["hidden_size"], config["bert"]["vocab_size"]
    text = _text.text(recording, config["vision"]["encoder_embed_dim"])
    model = VideoQA(
        encoder=_text.encoder(recording, state),
        text=text,
        decoder=AnswerDecoder(text.shape, vocabulary=words, states_width=width),
    )
    decoder = bert_layout.read(below(official, "text_decoder."))
    load_state(model.encoder, below(state, "encoder."))
    load_state(model.text, below(state, "text."))
    load_state(model.decoder, decoder)
    _text.tied(recording, "model.text_decoder.")
    return model.eval()
