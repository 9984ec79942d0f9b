"""Quality: how far each ranking can be trusted."""

from influence.explorer.quality import page

page.show()
