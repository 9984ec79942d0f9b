"""The map of images. See `influence.explorer.image_views.page`."""

from influence.explorer.image_views.page import show

show()
