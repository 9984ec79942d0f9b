"""A small residual network for images, one subset model at a time: on CUDA where there is one, else on the processor.

The shape is that of the datamodels paper's ResNet-9 (Ilyas et al. 2022, appendix), with what makes outcomes less noisy:
GELU units, average pooling, and weights averaged over the last part of the training. The training part stays in the
device's memory, channels last; on CUDA the arithmetic is bfloat16 where autocast says so.
"""

from influence.learners.convnet.learner import ConvNet

__all__ = ["ConvNet"]
