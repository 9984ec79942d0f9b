"""A training image, and the test images that it helped and hurt most."""

from functools import partial

import pandas as pd
import streamlit as st

from influence.explorer import address
from influence.explorer.images import chosen, words
from influence.explorer.images.chosen import Chosen
from influence.explorer.images.records import Images
from influence.explorer.images.show_target import both_rows, foot, large
from influence.explorer.text import escaped


def show(images: Images, train: int, picked: Chosen) -> None:
    """Draw the inspector of a training image."""
    reach = images.reach(train, picked.k)
    own = str(reach.row["class"])
    left, right = st.columns([1, 1.75], gap="medium")
    with left:
        large(images, "train", train, f"Training image {train}, class {own}")
    with right, st.container(gap="xxsmall"):
        st.caption(f"Training image {train}")
        with st.container(key="verdict"):
            st.markdown(f"## {escaped(own)}")
        st.markdown(words.learned(images, reach))
        st.button(
            f"Back to test image {picked.target}",
            icon=":material/arrow_back:",
            on_click=partial(address.go, train=None),
        )
    both_rows(
        [
            ("Helped", "it made the right class of these more likely", _rows(reach.helped), 1),
            ("Hurt", "it made the right class of these less likely", _rows(reach.hurt), -1),
        ],
        images,
        "test",
        picked,
        chosen.open_target,
    )
    st.caption(f"Click a test image to see what helped and hurt it. {words.kept_for_each(images)}")
    foot(reach.table, f"influence-of-{train}.csv", images, picked)


def _rows(frame: pd.DataFrame) -> list[tuple[int, float, int, str, str]]:
    names = ("target", "score", "rank", "class", "prediction", "wrong")
    return [
        (
            int(target),
            float(score),
            int(rank),
            f"{label} → {said}" if wrong else str(label),
            f"test image {target}, {label}, {f'called {said}' if wrong else 'called so'}",
        )
        for target, score, rank, label, said, wrong in zip(*(frame[name] for name in names), strict=True)
    ]
