"""A small convolutional network whose first layer is fixed: thousands of trainings on a laptop's processor.

The first layer's filters are whitened patches of training images (Coates and Ng 2011, "The importance of encoding
versus training with sparse coding and vector quantization"); no label goes into them, and every model has the same.
What they answer is computed once and kept, so that training touches two small layers alone. Where a deep network of
the same accuracy takes half a minute, this takes seconds; and since it is shallow, smooth (GELU, average pooling,
weights averaged over the last steps) and starts from features that don't move, two trainings on one subset agree well,
which is what an estimate of each example's part in it needs.
"""

from influence.learners.patchnet.learner import PatchNet

__all__ = ["PatchNet"]
