"""Which training example looks most like a target."""

import numpy as np

from influence.measures.likeness import directions


def most_alike(targets: np.ndarray, train: np.ndarray, candidates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The one of each target's candidates that looks most like it.

    Similarity is Pearson's correlation of two inputs over all their numbers, of a colour photo over pixels and channels
    together. Colour photos, which are (height, width, 3), are also compared with their mirror image, left to right, and
    the larger correlation counts. With an input whose numbers are all equal it is 0.

    Parameters
    ----------
    targets : (n, ...)
    train : (n_train, ...)
    candidates : (n, k) int
        Places in ``train``.

    Returns
    -------
    places : (n,) int
        In ``train``; of equals, the first candidate.
    similarity : (n,) float32
        From -1 to 1.
    """
    is_photo = train.ndim == 4 and train.shape[3] == 3
    likeness = np.empty(candidates.shape, dtype=np.float32)
    for row, places in enumerate(candidates):
        others = directions(train[places])
        views = [targets[row], targets[row][:, ::-1]] if is_photo else [targets[row]]
        likeness[row] = (others @ directions(np.stack(views)).T).max(axis=1)
    best = likeness.argmax(axis=1)
    rows = np.arange(len(candidates))
    return candidates[rows, best], likeness[rows, best]
