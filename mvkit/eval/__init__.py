"""What an encoder is worth: frozen features, neighbours, probes, fine-tuning."""

from mvkit.eval.features import clip_features as clip_features
from mvkit.eval.finetune import finetune_accuracy as finetune_accuracy
from mvkit.eval.knn import knn_accuracy as knn_accuracy
from mvkit.eval.monitor import knn_monitor as knn_monitor
from mvkit.eval.probe import probe_accuracy as probe_accuracy
from mvkit.eval.scorecard import Score as Score
from mvkit.eval.scorecard import scorecard as scorecard
