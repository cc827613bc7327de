"""Spec files that are none: one line that names the file, exit code 2; and the help that says what goes into one."""

import pytest

from mvkit.cli import call
from mvkit.train import RunSpec


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{steps: 3}", "spec spec.json is not JSON: Expecting property name enclosed in double quotes at line 1"),
        (b"\xff\xfe\x00", "spec spec.json is not JSON but no text at all"),
        (b"[1, 2]", "spec spec.json must be one JSON object, got list"),
        (b'{"stpes": 3}', "spec spec.json: unknown option 'stpes'; did you mean 'steps'?"),
        (b'{"steps": "3"}', "spec spec.json: steps: Input should be a valid integer, got '3'"),
        (b'{"steps": 0}', "spec spec.json: steps: Input should be greater than or equal to 1, got 0"),
    ],
)
def test_a_spec_that_cannot_be_used_is_one_line_with_its_name(tmp_path, monkeypatch, capsys, content, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "spec.json").write_bytes(content)
    assert call(["train", "spec.json", "--out", "run"]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"mvkit: {message}")
    assert err.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_every_field_says_what_it_is(capsys):
    assert call(["train", "--help"]) == 0
    words = " ".join(capsys.readouterr().out.split())
    for field in RunSpec.model_fields.values():
        assert field.description and field.description in words
