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
    st.page_link("pages/images.py", label="**Images**: datamodels on CIFAR-10 and digits", icon=":material/grid_view:")
    st.markdown(
        "Thousands of small networks were each trained on a random half of the training images. From what they say, a "
        "*datamodel* learns how much each training image raised or lowered the margin of a test image, and is judged "
        "on networks that it has not seen (Ilyas et al. 2022). Click a test image to see what helped and hurt it; "
        "click a training image to walk the other way."
    )

with st.container(border=True):
    st.page_link("pages/houses.py", label="**Houses**: TracIn on California housing", icon=":material/map:")
    st.markdown(
        "A network learned house prices from 16,512 places of the 1990 census. Pick a test house in Palo Alto and see "
        "which training houses lowered the model's error on it (*proponents*), which raised it (*opponents*), and "
        "which houses pull hardest on themselves (*self-influence*). Scores are exact TracInCP over all parameters "
        "(Pruthi et al. 2020)."
    )

with st.container(border=True):
    st.page_link("pages/quality.py", label="**Quality**: how far to trust each result", icon=":material/verified:")
    st.markdown(
        "What held-out models, retraining without the named examples, and flipped labels say of every ranking, beside "
        "baselines and the best possible; and what has not been evaluated."
    )
    st.page_link("pages/compare.py", label="**Compare**: rankings side by side", icon=":material/compare:")
    st.markdown("One target as two or three methods, runs or plain neighbours see it, and how much they agree.")
    st.page_link("pages/outliers.py", label="**Outliers**: examples that stand out", icon=":material/flag:")
    st.markdown(
        "Training examples by self-influence, memorisation and loss, what they help and hurt, and a list of labels to "
        "fix."
    )

st.subheader("Words")
st.markdown(
    """
- **Target**: the test example being explained. **Score**: one number for a target and a training example.
- **Positive helps**: the training example lowered the target's loss, or raised its margin. **Negative
  hurts**.
- **Self-influence**: an example's score on itself. High means large gradients: its error stayed large or its features
  are unusual. Mislabelled and memorised examples are among these.

Every result keeps its whole recipe; a run from the sidebar is the same job as `python -m influence` on the command
line.
"""
)
