"""HAAQI as a differentiable, batched function of tensors, on any device with float64.

`haaqi` is the metric, `HaaqiLoss` a loss for training. The stages are those of `ear_model`, under
the same names, on tensors of shape (batch, bands, samples):

===============  ==================================================================================
module           what it holds
===============  ==================================================================================
metric           `haaqi`: from what a user gives to scores
pair_features    from aligned signals to features and score
loss             `HaaqiLoss`
pairs            shapes and checks of what a user gives
resampling       rate conversion
alignment        delay of whole signals and of bands, silent ends
ear              parameters of ears, NAL-R
middle_ear       the middle ear, and the energy to which the filters are set
hair_cells       bandwidths, compression, adaptation, average spectrum
gammatone        the gammatone filters
filterbank       signals through these filters
comparison       the way of both signals through some bands, block by block
tiles            what goes into that, and what comes out
covariance       covariance of segments of basilar-membrane motion
features         the four features
noise            noise at threshold
scan, shift      recursive filters and delays with their gradients
precision        products of matrices that stay float32
===============  ==================================================================================

Nothing here depends on the compiled engine, and nothing else of `clarity.evaluator` needs torch.
"""

from clarity.evaluator.haaqi_torch.ear import EarParameters
from clarity.evaluator.haaqi_torch.loss import HaaqiLoss
from clarity.evaluator.haaqi_torch.metric import haaqi
from clarity.evaluator.haaqi_torch.pair_features import HaaqiOutput

__all__ = ["EarParameters", "HaaqiLoss", "HaaqiOutput", "haaqi"]
