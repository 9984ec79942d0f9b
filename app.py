"""The explorer's first page. Start it with ``make app``, or ``streamlit run app.py``."""

from influence.explorer.home import page

page.show()
