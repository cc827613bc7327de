import pytest

NAME = "umt_stage2_public"


def test_tied_weights_that_differ_are_refused(recording):
    pytest.importorskip("transformers", reason="text models need the extra `text`")

    def untie(tensors, _):
        tensors["model.text_encoder.cls.predictions.decoder.weight"][0, 0] += 1

    recording.change(untie)
    assert any("these weights are one" in result.note for result in recording.failures())
