"""Losses: functions of tensors, each with its source."""

from mvkit.losses.alignment import alignment_loss as alignment_loss
from mvkit.losses.alignment import unit as unit
from mvkit.losses.contrastive import contrastive_loss as contrastive_loss
from mvkit.losses.features import feature_loss as feature_loss
from mvkit.losses.features import normalise_features as normalise_features
from mvkit.losses.pixels import normalise_pixels as normalise_pixels
from mvkit.losses.pixels import pixel_loss as pixel_loss
from mvkit.losses.pixels import pixel_statistics as pixel_statistics
