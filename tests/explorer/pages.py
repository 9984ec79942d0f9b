"""Opening a page without a browser, and reading what it says."""

import json
from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest

APP = Path(__file__).parents[2] / "app.py"


def open_page(name: str, **link: str) -> AppTest:
    app = AppTest.from_file(str(APP), default_timeout=90)
    app.switch_page(f"pages/{name}.py")
    for key, value in link.items():
        app.query_params[key] = value
    return app.run()


def texts(app: AppTest) -> str:
    kinds = (app.title, app.markdown, app.caption, app.header, app.subheader, app.info)
    return " ".join(element.value for kind in kinds for element in kind)


def warnings(app: AppTest) -> str:
    return " ".join(element.value for element in app.warning)


def errors(app: AppTest) -> str:
    return " ".join(element.value for element in app.error)


def codes(app: AppTest) -> list[str]:
    return [line for element in app.code for line in element.value.splitlines()]


def grid(app: AppTest, label: str) -> dict[str, Any]:
    """What a grid was given to show."""
    for element in app.get("bidi_component"):
        data = json.loads(element.proto.json)
        if data.get("label") == label:
            return {"proto": element.proto, **data}
    raise KeyError(label)


def ids(app: AppTest, label: str) -> list[int]:
    return [item["id"] for item in grid(app, label)["items"]]


def click(app: AppTest, label: str, index: int) -> AppTest:
    """Deliver a click on an image as the browser does (AppTest knows no components of this kind)."""
    states = app._tree.get_widget_states()
    widget = states.widgets.add()
    widget.id = f"$$STREAMLIT_INTERNAL_KEY_{grid(app, label)['proto'].id}__events"
    widget.json_trigger_value = json.dumps([{"event": "clicked", "value": index}])
    return app._run(states)


def click_point(app: AppTest, key: str, customdata: list[float]) -> AppTest:
    """Deliver a click on a point of a chart, likewise."""
    (proto,) = [one.proto for one in app.get("plotly_chart") if one.proto.id.endswith(f"-{key}")]
    states = app._tree.get_widget_states()
    widget = states.widgets.add()
    widget.id = proto.id
    points = [{"point_index": 0, "curve_number": 1, "customdata": customdata}]
    widget.string_value = json.dumps({"selection": {"points": points, "point_indices": [0], "box": [], "lasso": []}})
    return app._run(states)


def chart(app: AppTest) -> dict[str, Any]:
    """What a map was given to show."""
    for element in app.get("bidi_component"):
        data: dict[str, Any] = json.loads(element.proto.json)
        if "outlines" in data:
            return {"proto": element.proto, **data}
    raise KeyError("map")


def on_map(app: AppTest, **event: Any) -> AppTest:
    """Deliver a pick or an area, as a map does."""
    ((name, value),) = event.items()
    states = app._tree.get_widget_states()
    widget = states.widgets.add()
    widget.id = f"$$STREAMLIT_INTERNAL_KEY_{chart(app)['proto'].id}__events"
    widget.json_trigger_value = json.dumps([{"event": name, "value": value}])
    return app._run(states)


def address(app: AppTest) -> dict[str, str]:
    """What the address says."""
    return {key: said if isinstance(said, str) else said[0] for key, said in app.query_params.items()}
