"""Blocks that are compiled, or computed again in the backward pass, give the losses of plain ones."""

import shutil

import pytest
import torch
import torch._inductor.config as inductor

import mvkit
from mvkit import methods
from mvkit.errors import OptionError
from mvkit.models.block import Block
from mvkit.train import blocks
from tests.train.every import small_spec, source


@pytest.fixture(autouse=True)
def fresh():
    """No graph of one test is taken for another's."""
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.fixture
def traced(monkeypatch):
    """torch.compile that traces, in full graphs, and leaves the kernels to torch: seconds instead of minutes."""
    compiled, found = torch.compile, []

    def trace(call, **options):
        found.append(options.pop("options"))
        return compiled(call, backend="aot_eager", **options)

    monkeypatch.setattr("torch.compile", trace)
    return found


def losses(name, folder, precision="fp32", **said):
    spec = small_spec(name, folder, options={"drop_path": 0.1}, steps=4, checkpoint_every=0, precision=precision)
    return mvkit.fit(spec.model_copy(update=said), source).journal.column("loss")[1]


def test_blocks_are_traced_whole_to_the_same_losses(tmp_path, traced):
    # Drop path is drawn as without the compiler, or this would fail by far.
    assert losses("amd", tmp_path, compile=True) == pytest.approx(losses("amd", tmp_path), rel=1e-6)
    assert traced


def test_bf16_is_traced_to_the_same_losses(tmp_path, traced):
    found, wanted = (losses("mvd", tmp_path, "bf16", compile=on) for on in (True, False))
    assert found == pytest.approx(wanted, rel=2e-3) and traced


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile wants a C++ compiler")
@pytest.mark.parametrize("name", methods.available())
def test_compiled_blocks_of_every_method_train_to_the_losses_of_plain_ones(name, tmp_path):
    # Seen, over four steps: at most 5e-7.
    assert losses(name, tmp_path, compile=True) == pytest.approx(losses(name, tmp_path), rel=2e-6)


def test_a_compiled_run_resumes_to_the_same_bits_and_its_weights_keep_their_names(tmp_path, traced):
    spec = small_spec("videomae", tmp_path, options={"drop_path": 0.1}, compile=True, steps=4)

    def stop(line):
        if line["step"] == 3:
            raise KeyboardInterrupt

    whole = mvkit.fit(spec, source)
    with pytest.raises(KeyboardInterrupt):
        mvkit.fit(spec, source, out=tmp_path / "run", progress=stop)
    assert mvkit.fit(spec, source, out=tmp_path / "run").journal.column("loss") == whole.journal.column("loss")
    _, report = methods.load(tmp_path / "run")
    assert not report.missing and not report.unexpected


def test_compiled_blocks_run_plainly_outside_of_training(tmp_path, traced):
    spec = small_spec("videomae", tmp_path)
    method = methods.create("videomae", **spec.method_options())
    blocks.compile_blocks(method, torch.device("cpu"))
    torch._dynamo.utils.counters.clear()
    with torch.no_grad():
        method.eval().encoder(torch.rand(2, 3, 4, 24, 24))
    assert not torch._dynamo.utils.counters["stats"]


def test_without_a_compiler_one_line_says_so(tmp_path):
    wanted = pytest.raises(OptionError, match=r"compile=true needs a C\+\+ compiler, such as g\+\+")
    with inductor.patch("cpp.cxx", ("no-such-compiler",)), wanted:
        losses("videomae", tmp_path, compile=True)


@pytest.mark.parametrize("compiled", [False, True])
def test_blocks_computed_again_give_the_same_bits_with_drop_path_too(tmp_path, monkeypatch, traced, compiled):
    counted, again = [], blocks.checkpoint

    def count(*args, **options):
        counted.append(1)
        return again(*args, **options)

    monkeypatch.setattr(blocks, "checkpoint", count)
    wanted = losses("videomae", tmp_path, compile=compiled)
    assert losses("videomae", tmp_path, compile=compiled, checkpoint_blocks=True) == wanted
    assert len(counted) >= 4 * sum(isinstance(part, Block) for part in _method(tmp_path).modules())


def _method(folder):
    return methods.create("videomae", **small_spec("videomae", folder).method_options())
