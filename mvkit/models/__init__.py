"""Networks: one encoder, one decoder, sizes by name."""

from mvkit.models.block import Attention as Attention
from mvkit.models.block import Block as Block
from mvkit.models.classifier import VideoClassifier as VideoClassifier
from mvkit.models.decoder import TokenDecoder as TokenDecoder
from mvkit.models.sizes import SIZES as SIZES
from mvkit.models.sizes import size as size
from mvkit.models.vit import Encoded as Encoded
from mvkit.models.vit import VideoViT as VideoViT
