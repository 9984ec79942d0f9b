"""The explorer's first page: what this is, and where to start.

Start it with ``make app``, or ``streamlit run app.py``.
"""

import streamlit as st

from influence.explorer import panel

panel.frame("Home", "app.py")

st.title("Which training examples made my model do that?")
st.markdown(
    "Pick something that a model said, and see the training examples that pushed it there, and those that pushed it "
    "away."
)

with st.container(border=True):
    st.page_link("pages/houses.py", label="**Houses**: TracIn on California housing", icon=":material/map:")
    st.markdown(
        "A network learned house prices from 16,512 places of the 1990 census. Pick a test house in Palo Alto and see "
        "which training houses lowered the model's error on it (*proponents*), which raised it (*opponents*), and "
        "which houses pull hardest on themselves (*self-influence*). Scores are exact TracInCP over all parameters "
        "(Pruthi et al. 2020)."
    )

st.subheader("Words")
st.markdown(
    """
- **Target**: the test example being explained. **Score**: one number for a target and a training example.
- **Positive helps**: the training example lowered the target's loss. **Negative hurts**: it raised it.
- **Self-influence**: an example's score on itself. High means large gradients: its error stayed large or its features
  are unusual. Mislabelled and memorised examples are among these.

Every result keeps its whole recipe; a run from the sidebar is the same job as `python -m influence` on the command
line.
"""
)
