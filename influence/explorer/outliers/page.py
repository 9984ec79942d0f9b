"""Training examples that stand out: learned by heart, wrongly labelled perhaps, or unusual; and a list to fix."""

from typing import Any

import pandas as pd
import streamlit as st

from influence.errors import InfluenceError
from influence.explorer import describing, panel, shelf
from influence.explorer.houses.records import Houses
from influence.explorer.outliers import records
from influence.explorer.outliers.records import AGREE, ALL, DISAGREE, ORDERS, RANKINGS, Filters, Outliers
from influence.explorer.parts.grid import Cell, image_grid
from influence.explorer.parts.pictures import Pictures
from influence.library import Entry
from influence.text import command, inline_code, typed

PER_PAGE = 40
HOUSES_SHOWN = 500
PICKED = ("example", "label", "agree", "find", "sheet", "fix", "by")  # what belongs to one data set
KEYS = ("of", "order", "marking", *PICKED)  # what is in the address
NEW = "opened"


def show() -> None:
    """Draw the page."""
    try:
        _show()
    except InfluenceError as error:
        st.error(str(error), icon=":material/error:")


def _show() -> None:
    check = panel.link_checker("outliers")
    panel.frame("Outliers", "pages/outliers.py")
    shelf.come_back("outliers", KEYS)
    st.title("Outliers")
    st.caption("Training examples that stand out. Not all are wrong: rare ones stand out too, so look before you fix.")
    found = shelf.every()
    listed = found[choose_result(found, check)]
    result = shelf.read(listed)
    dataset = shelf.data_of(listed)
    houses = None if listed.has_classes or not result.groups else Houses(result, dataset)
    examples = Outliers(result, shelf.judgement(listed, found), houses)
    if not examples.rankings:
        st.info(
            f"“{listed.id}” scores no training example by itself: choose a result of TracIn, or run "
            f"{inline_code(command('evaluate', 'mislabels', typed(listed.path)))}."
        )
        return
    ranking = choose_ranking(examples, check)
    trains = choose_shown(examples, ranking, check)
    pictures = shelf.pictures_of(listed, dataset)
    chosen, _ = records.indices(fix_text(), examples.table.index)
    left, right = st.columns([3, 2], gap="large")
    picked = choose_example(right, examples, trains, listed, check)
    with left:
        show_list(examples, ranking, trains, chosen, picked, pictures, check)
    with right:
        show_example(listed, examples, picked, chosen, pictures)
    show_fix_list(examples, ranking, chosen)
    about(listed, examples)
    shelf.leave_ready("outliers", KEYS)


# --- what is chosen -------------------------------------------------------------------------------------------------


def choose_result(found: dict[str, Entry], check: panel.Check) -> str:
    panel.keep_within("of", found.__contains__)
    first = list(found).index(records.first_shown(found))

    def changed() -> None:
        if found[st.session_state["of"]].dataset != st.session_state["outliers of"]:
            shelf.leave(*PICKED)

    name: str = st.selectbox("Result", list(found), first, key="of", bind="query-params", on_change=changed)
    check("of", name, f"there is no such result, so “{name}” is shown.")
    st.session_state["outliers of"] = found[name].dataset
    return name


def choose_ranking(examples: Outliers, check: panel.Check) -> str:
    options = list(examples.rankings)
    panel.keep_within("by", options.__contains__)
    ranking: str = st.segmented_control(
        "Ranked by", options, default=options[0], required=True, key="by", bind="query-params", on_change=first_sheet
    )
    check("by", ranking, f"that is not known here, so “{ranking}” is shown.")
    st.markdown(f"{RANKINGS[ranking]} From {examples.rankings[ranking]}.")
    return ranking


def choose_shown(examples: Outliers, ranking: str, check: panel.Check) -> list[int]:
    """Filters and order; the training examples that pass."""
    label = agreement = ALL
    columns = iter(st.columns(2 + bool(examples.classes) + examples.knows_predictions))
    if examples.classes:
        label = bound_choice(next(columns), "Label", "label", [ALL, *examples.classes], check)
    if examples.knows_predictions:
        agreement = bound_choice(next(columns), "The model", "agree", [ALL, AGREE, DISAGREE], check)
    searched = next(columns)
    indices = searched.text_input(
        "Indices", key="find", bind="query-params", placeholder="12, 100-200", on_change=first_sheet
    )
    order = bound_choice(next(columns), "Sort", "order", list(ORDERS), check)
    try:
        return examples.listed(Filters(label, agreement, indices or ""), ranking, order)
    except InfluenceError as error:
        searched.warning(str(error))
        return examples.listed(Filters(label, agreement), ranking, order)


def bound_choice(place: Any, title: str, key: str, options: list[str], check: panel.Check) -> str:
    panel.keep_within(key, options.__contains__)
    said: str = place.selectbox(title, options, key=key, bind="query-params", on_change=first_sheet)
    check(key, said, f"there is no such choice, so “{said}” is shown.")
    return said


def first_sheet() -> None:
    st.session_state["sheet"] = 1


def choose_example(place: Any, examples: Outliers, trains: list[int], listed: Entry, check: panel.Check) -> int | None:
    """The training example that is looked at: the one asked for, else the first of the list."""
    noun = describing.noun(listed)
    default = trains[0] if trains else None
    number = place.number_input(
        f"Training {noun}",
        value=None,
        step=1,
        key="example",
        bind="query-params",
        placeholder="none" if default is None else str(default),
    )
    check("example", number, f"there is no such training {noun}, so the first of the list is shown.")
    if number is None:
        return default
    if number not in examples.table.index:
        place.warning(f"This result has no training {noun} {number}, so the first of the list is shown.")
        return default
    return int(number)


def pick(train: int) -> None:
    st.session_state["example"] = train


# --- the fix list ---------------------------------------------------------------------------------------------------


def fix_text() -> str:
    """The list as it is in its field, and in the address, so that a link carries it."""
    return st.session_state.get("fix", st.query_params.get("fix")) or ""


def put(trains: list[int], on: bool) -> None:
    """Put training examples on the list, or take them off."""
    st.session_state["fix"] = records.changed(fix_text(), trains, on)


def show_fix_list(examples: Outliers, ranking: str, chosen: list[int]) -> None:
    st.divider()
    st.subheader("Fix list")
    first, second = st.columns([5, 1], vertical_alignment="bottom")
    text = first.text_input(
        "Indices on the list", key="fix", bind="query-params", placeholder="add some above, or type 12, 57"
    )
    second.button("Clear", on_click=lambda: st.session_state.update(fix=""), disabled=not chosen, width="stretch")
    if unknown := records.indices(text or "", examples.table.index)[1]:
        st.warning(f"The list names no training example with {', '.join(unknown[:5])}: left out.")
    if not chosen:
        st.caption("Nothing is on the list yet.")
        return
    table = examples.fix_list(chosen, ranking)
    st.dataframe(
        table,
        hide_index=True,
        column_config={
            "index": st.column_config.NumberColumn("Index", format="%d"),
            "label": st.column_config.NumberColumn("Price", format="dollar", step=1) if examples.houses else "Label",
            "suggested_label": "Suggested label",
            "score": st.column_config.NumberColumn("Score", format="%.4g"),
            "reason": "Reason",
        },
        alt="The fix list.",
    )
    st.download_button(
        f"Download these {len(table):,} as CSV",
        lambda: table.to_csv(index=False, float_format="%.6g"),
        file_name="fix-list.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
    )
    st.caption(
        "Suggested: what the model that was trained on it says, where that is not its label. A model that learned a "
        "wrong label by heart suggests none."
    )


# --- the list of all ------------------------------------------------------------------------------------------------


def show_list(
    examples: Outliers,
    ranking: str,
    trains: list[int],
    chosen: list[int],
    picked: int | None,
    pictures: Pictures,
    check: panel.Check,
) -> None:
    st.markdown(f"**{len(trains):,} of {len(examples.table):,} training examples**")
    if not trains:
        st.info("No training example passes these filters.")
        return
    if examples.houses is not None:
        show_houses(examples, ranking, trains, picked)
        return
    left, right = st.columns([2, 1], vertical_alignment="center")
    marking = left.toggle("A click puts it on the fix list", key="marking", bind="query-params")
    check("marking", marking, "that is neither true nor false, so it is left off.")
    pages = -(-len(trains) // PER_PAGE)
    if not 1 <= st.session_state.get("sheet", 1) <= pages:
        st.session_state["sheet"] = 1
    slot = st.container()
    sheet = st.pagination(pages, key="sheet", bind="query-params") if pages > 1 else 1
    check("sheet", sheet, f"there are {pages} pages, so page {sheet} is shown.")
    on_list = set(chosen)
    shown = trains[(sheet - 1) * PER_PAGE : sheet * PER_PAGE]

    def toggle(train: int) -> None:
        put([train], train not in on_list)
        pick(train)

    right.button(f"Add these {len(shown)}", on_click=put, args=(shown, True), icon=":material/add:", width="stretch")
    with slot:
        image_grid(
            [cell(examples, ranking, train, train in on_list, pictures) for train in shown],
            label="Training images that stand out",
            key="outliers",
            size=58,
            selected=picked,
            on_pick=toggle if marking else pick,
        )


def cell(examples: Outliers, ranking: str, train: int, on_list: bool, pictures: Pictures) -> Cell:
    row = examples.table.loc[train]
    named = f"{row['label']} → {row['suggested']}" if row["suggested"] else str(row["label"])
    score = f"{row[ranking]:.3g}" if pd.notna(row[ranking]) else "–"
    alt = f"Training image {train}, label {row['label']}, {ranking} {score}"
    if row["suggested"]:
        alt += f"; the model says {row['suggested']}"
    return Cell(
        train,
        pictures("train", train),
        (score, named, f"#{train}", "✓ listed" if on_list else ""),
        f"{alt}; on the fix list" if on_list else alt,
        "wrong" if on_list or row["suggested"] else "",
        str(row["label"]),
    )


def show_houses(examples: Outliers, ranking: str, trains: list[int], picked: int | None) -> None:
    assert examples.houses is not None
    columns = ["price", "prediction", "residual"]
    shown = trains[:HOUSES_SHOWN]
    table = examples.houses.train.loc[shown, columns]
    table.insert(0, ranking, examples.table.loc[shown, ranking])
    table = table.reset_index(names="house")

    def read(state: Any) -> int | None:
        cells = state["selection"]["cells"]
        return int(table["house"].iloc[cells[0][0]]) if cells and cells[0][0] < len(table) else None

    def chosen() -> None:
        if (house := read(st.session_state[key])) is not None:
            pick(house)

    key = panel.selection_key("outlying houses", read, picked)
    st.dataframe(
        table,
        on_select=chosen,
        selection_mode=("multi-row", "single-cell"),
        key=key,
        hide_index=True,
        height=520,
        column_config={
            "house": st.column_config.NumberColumn("House", format="%d"),
            ranking: st.column_config.NumberColumn(ranking.capitalize(), format="%.4g"),
            **{
                name: st.column_config.NumberColumn(title, format="dollar", step=1)
                for name, title in zip(columns, ("Price", "Model", "Error"), strict=True)
            },
        },
        alt="Training houses that stand out; picking a cell picks its house.",
    )
    ticked = [shown[place] for place in st.session_state[key]["selection"]["rows"] if place < len(shown)]
    st.button(
        f"Add the {len(ticked)} ticked" if ticked else "Tick rows to add them",
        on_click=put,
        args=(ticked, True),
        disabled=not ticked,
        icon=":material/add:",
    )
    if len(trains) > HOUSES_SHOWN:
        st.caption(f"The first {HOUSES_SHOWN} of them; filters show others.")


# --- one of them ----------------------------------------------------------------------------------------------------


def show_example(
    listed: Entry,
    examples: Outliers,
    train: int | None,
    chosen: list[int],
    pictures: Pictures,
) -> None:
    if train is None:
        return
    noun = describing.noun(listed)
    row = examples.table.loc[train]
    st.subheader(f"Training {noun} {train}")
    if (source := pictures("train", train)) is not None:
        st.html(
            f'<img src="{source}" alt="Training image {train}, label {row["label"]}" style="width: 100%; max-width: '
            "150px; image-rendering: pixelated; border-radius: 8px; border: 1px solid rgba(128, 128, 128, 0.4); "
            'display: block">'
        )
    st.markdown(describe(examples, train))
    on = train in chosen
    left, right = st.columns(2, vertical_alignment="center")
    left.button(
        "Take off the list" if on else "Add to the list",
        icon=":material/remove:" if on else ":material/add:",
        on_click=put,
        args=([train], not on),
        width="stretch",
    )
    with right:
        page, link = describing.page_of(listed, train=train)
        st.page_link(page, label="Open it", icon=":material/arrow_forward:", query_params=link)
    st.dataframe(
        examples.standing(train),
        hide_index=True,
        column_config={
            "ranking": "Ranking",
            "score": st.column_config.NumberColumn("Score", format="%.4g"),
            "place": st.column_config.NumberColumn("Place", format="%d", help="1 is the highest"),
            "of": st.column_config.NumberColumn("Of", format="%d"),
        },
        alt=f"Where training {noun} {train} stands by every ranking.",
    )
    show_targets(listed, examples, train, pictures)


def describe(examples: Outliers, train: int) -> str:
    row = examples.table.loc[train]
    if examples.houses is not None:
        house: Any = examples.houses.train.loc[train]
        if pd.isna(house["price"]):
            return f"Error {abs(house['residual']):,.0f} dollars; its price is in the data set."
        return (
            rf"Price **\${house['price']:,.0f}**, the model says **\${house['prediction']:,.0f}**, "
            rf"\${abs(house['residual']):,.0f} too {'much' if house['residual'] > 0 else 'little'}"
        )
    said = ""
    if examples.knows_predictions:
        said = (
            f"; the model says :orange[**{row['suggested']}** ✗]" if row["suggested"] else "; the model says so too ✓"
        )
    return f"Label **{row['label']}**{said}"


def show_targets(listed: Entry, examples: Outliers, train: int, pictures: Pictures) -> None:
    """The targets that it helped and hurt most."""
    noun = describing.noun(listed)
    for frame, title, side in zip(
        examples.targets(train, 10),
        (":blue[**+ Helped most**]", ":orange[**− Hurt most**]"),
        ("helped", "hurt"),
        strict=True,
    ):
        st.markdown(f"{title}: test {noun}s")
        if frame.empty:
            st.caption(f"No test {noun} keeps it among its strongest.")
        elif examples.houses is None:
            image_grid(
                [target_cell(examples, row, pictures) for row in frame.itertuples()],
                label=f"Test images that it {side} most",
                key=f"outlier_{side}",
                on_pick=open_target,
                size=52,
            )
        else:
            price = examples.houses.test.loc[frame["target"], "price"].to_numpy()
            st.dataframe(
                frame.assign(price=price),
                hide_index=True,
                height=min(35 * (len(frame) + 1) + 3, 220),
                column_config={
                    "target": st.column_config.NumberColumn("House", format="%d"),
                    "rank": st.column_config.NumberColumn(
                        "Rank", format="%+d", help="Among all of that house’s scores"
                    ),
                    "score": st.column_config.NumberColumn("Score", format="%+.3g"),
                    "price": st.column_config.NumberColumn("Price", format="dollar", step=1),
                },
                alt=f"Test houses that training house {train} {side} most.",
            )
    if (target := st.session_state.pop(NEW, None)) is not None:
        page, link = describing.page_of(listed, target=target)
        st.switch_page(page, query_params=link)


def target_cell(examples: Outliers, row: Any, pictures: Pictures) -> Cell:
    target, score = int(row.target), float(row.score)
    facts: Any = examples.result.targets.loc[target]
    label, said = (examples.classes[int(facts[name])] for name in ("label", "prediction"))
    named = label if label == said else f"{label} → {said} ✗"
    return Cell(
        target,
        pictures("test", target),
        (f"{score:+.3g}", named, f"#{target}"),
        f"Test image {target}, class {label}, called {said}: score {score:+.3g}",
        "positive" if score > 0 else "negative",
        label,
    )


def open_target(target: int) -> None:
    st.session_state[NEW] = target


def about(listed: Entry, examples: Outliers) -> None:
    with st.expander("How far to trust this"):
        lines = [f"- **{name}** (from {source}): {RANKINGS[name]}" for name, source in examples.rankings.items()]
        lines.append(
            "- **How well such rankings find wrong labels** is measured by flipping some: the quality page has the "
            "curves with plain loss beside them."
        )
        if examples.result.reverse is None:
            lines.append(
                "- **Helped and hurt**: this result keeps no table of them, so only targets that keep the example "
                f"among their {listed.manifest.k} strongest either way are found."
            )
        lines.append(f"- **The method**: {listed.manifest.title}. {listed.manifest.caveat}")
        st.markdown("\n".join(lines))
