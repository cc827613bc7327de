"""Fine-tuning on few labels: the papers' own measure of what pre-training is worth.

The same classifier, the same clips in the same order, from pre-trained or fresh weights.
"""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mvkit.models.classifier import VideoClassifier
from mvkit.models.vit import VideoViT
from mvkit.train.optim import adamw, parameter_groups, set_rate
from mvkit.train.precision import autocast, choose_precision
from mvkit.train.schedule import warmup_cosine
from mvkit.train.seed import derive, generator


def finetune_accuracy(
    encoder: VideoViT,
    train: Tensor,
    labels: Tensor,
    test: Tensor,
    wanted: Tensor,
    *,
    epochs: int = 25,
    batch: int = 16,
    lr: float = 1e-3,
    weight_decay: float = 0.05,
    seed: int = 0,
    precision: str = "auto",
) -> float:
    """Accuracy on `test` after fine-tuning a copy of `encoder` on `train`, 0 to 1; `encoder` is left as it was.

    train, test: uint8 (n, 3, T, H, W); labels, wanted: (n,). lr: at the peak, warm-up over the first tenth. The final
    norm is dropped and a fresh one put after the mean, as the released fine-tuning models do.
    """
    torch.manual_seed(derive(seed, "head"))
    body = copy.deepcopy(encoder)
    body.norm = nn.Identity()
    device = next(encoder.parameters()).device
    model = VideoClassifier(body, int(labels.max()) + 1).to(device).train()
    optimiser = adamw(parameter_groups(model, weight_decay), betas=(0.9, 0.999))
    precision = choose_precision(precision, device)
    per_epoch = -(-len(train) // batch)
    steps = epochs * per_epoch
    for step in range(steps):
        epoch, part = divmod(step, per_epoch)
        order = torch.randperm(len(train), generator=generator(seed, "finetune", epoch))
        ids = order[part * batch : (part + 1) * batch]
        set_rate(optimiser, warmup_cosine(step, steps=steps, base=lr, low=lr / 100, warmup=steps // 10))
        with autocast(precision, device):
            logits = model(train[ids].to(device).float() / 255)
        loss = F.cross_entropy(logits.float(), labels[ids].to(device))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
    model.eval()
    with torch.inference_mode(), autocast(precision, device):
        said = torch.cat([model(part.to(device).float() / 255).argmax(1).cpu() for part in test.split(64)])
    return float((said == wanted).float().mean())
