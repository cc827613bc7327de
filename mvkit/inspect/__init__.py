"""What a model or a mask does, in numbers; the pictures of them are drawn in `mvkit.viz`."""

from mvkit.inspect import attention as attention
from mvkit.inspect import attention_distance as attention_distance
from mvkit.inspect import cka as cka
from mvkit.inspect import clip_attention as clip_attention
from mvkit.inspect import clip_features as clip_features
from mvkit.inspect import collapse as collapse
from mvkit.inspect import colours as colours
from mvkit.inspect import compared as compared
from mvkit.inspect import components as components
from mvkit.inspect import embedding as embedding
from mvkit.inspect import explained as explained
from mvkit.inspect import masks as masks
from mvkit.inspect import query_keys as query_keys
from mvkit.inspect import reconstruction as reconstruction
from mvkit.inspect import remasking as remasking
from mvkit.inspect import rollout as rollout
from mvkit.inspect import shapes as shapes
from mvkit.inspect import similarity as similarity
from mvkit.inspect import untrained as untrained
