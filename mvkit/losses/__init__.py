"""Losses: functions of tensors, each with its source."""

from mvkit.losses.pixels import normalise_pixels as normalise_pixels
from mvkit.losses.pixels import pixel_loss as pixel_loss
from mvkit.losses.pixels import pixel_statistics as pixel_statistics
