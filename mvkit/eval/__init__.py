"""What a run is worth: features, neighbours, probes, fine-tuning, and tasks with words, each beside its controls."""

from mvkit.eval.attentive import attentive_accuracy as attentive_accuracy
from mvkit.eval.attentive import fit_attentive as fit_attentive
from mvkit.eval.choice import choice as choice
from mvkit.eval.classification import classification as classification
from mvkit.eval.detection import detection as detection
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
from mvkit.eval.outcome import Outcome as Outcome
from mvkit.eval.outcome import over_seeds as over_seeds
from mvkit.eval.probe import probe_accuracy as probe_accuracy
from mvkit.eval.qa import qa as qa
from mvkit.eval.recipes import recipe as recipe
from mvkit.eval.retrieval import retrieval as retrieval
from mvkit.eval.scorecard import Score as Score
from mvkit.eval.scorecard import scorecard as scorecard
from mvkit.eval.spec import FinetuneSpec as FinetuneSpec
from mvkit.eval.tuning import TuneSpec as TuneSpec
from mvkit.eval.tuning_recipes import tuning_recipe as tuning_recipe
