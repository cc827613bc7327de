"""What an encoder is worth: frozen features, neighbours, probes, fine-tuning, multi-view testing."""

from mvkit.eval.attentive import attentive_accuracy as attentive_accuracy
from mvkit.eval.attentive import fit_attentive as fit_attentive
from mvkit.eval.features import clip_features as clip_features
from mvkit.eval.features import clip_tokens as clip_tokens
from mvkit.eval.finetune import finetune as finetune
from mvkit.eval.finetune import finetune_accuracy as finetune_accuracy
from mvkit.eval.knn import knn_accuracy as knn_accuracy
from mvkit.eval.metrics import accuracies as accuracies
from mvkit.eval.mixup import ClipMixup as ClipMixup
from mvkit.eval.monitor import knn_monitor as knn_monitor
from mvkit.eval.multiview import Views as Views
from mvkit.eval.multiview import score_views as score_views
from mvkit.eval.probe import probe_accuracy as probe_accuracy
from mvkit.eval.recipes import recipe as recipe
from mvkit.eval.scorecard import Score as Score
from mvkit.eval.scorecard import scorecard as scorecard
from mvkit.eval.spec import FinetuneSpec as FinetuneSpec
