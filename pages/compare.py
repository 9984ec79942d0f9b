"""Compare: what different methods or runs say of one example."""

from influence.explorer.compare import page

page.show()
