"""Houses: which training houses made the model's price."""

from influence.explorer.houses import page

page.show()
