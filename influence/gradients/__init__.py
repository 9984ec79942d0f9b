"""The gradients of each example's loss, layer by layer, as factors: activations and deltas.

``layers`` has the kinds of layers; ``passes`` passes a batch through a model, and checks with ``graph`` that its layers
tell the whole gradient; ``verification`` compares examples of a batch with themselves alone; ``factors`` joins them.
"""
