"""The pages of the explorer, in the order of their links."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Page:
    """A page of the explorer.

    Parameters
    ----------
    name : str
        The name by which the code calls it.
    title, icon, question : str
        The question stands beside the title: it is what the page answers.
    file : str
        As Streamlit's links call it.
    data_key : str
        The parameter that names the data set, where the page shows every kind; empty where it does not.
    """

    name: str
    title: str
    icon: str
    question: str
    file: str
    data_key: str = ""


PAGES = {
    page.name: page
    for page in (
        Page("home", "Home", "home", "Which training data made the model say that?", "app.py"),
        Page("images", "Images", "grid_view", "Which training images made the model say that?", "pages/images.py"),
        Page("houses", "Houses", "map", "Which training houses made the model’s price?", "pages/houses.py"),
        Page("outliers", "Outliers", "flag", "What is wrong with my training data?", "pages/outliers.py", "data"),
        Page("quality", "Quality", "verified", "How far can I trust this?", "pages/quality.py", "data"),
        Page("compare", "Compare", "compare", "Do two methods name the same examples?", "pages/compare.py", "on"),
    )
}
