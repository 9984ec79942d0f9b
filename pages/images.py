"""Images: which training images helped and hurt a test image, and the other way round."""

from influence.explorer.images import page

page.show()
