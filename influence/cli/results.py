"""``replay``, ``check`` and ``migrate``: make a result again, verify one, and bring older ones up to date."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from influence.cli.options import Events, Out, Replace, new_folder
from influence.cli.terminal import end, reporting


def replay(
    result: Annotated[Path, typer.Argument(help="A result folder.")],
    out: Out = None,
    replace: Replace = False,
    events: Events = False,
) -> None:
    """Make a result again from the config in its own manifest."""
    from influence import jobs

    with reporting(events) as report:
        folder = out or new_folder(result.name, "replay")
        report.done(jobs.replay(result, folder, replace, report.progress))


def check(result: Annotated[Path, typer.Argument(help="A result folder.")]) -> None:
    """Check a result folder and the evidence in it: schema, hashes, tables."""
    from influence import evidence, results
    from influence.results.kind import AGAIN
    from influence.results.tables import check_files, hashes_beside

    read = results.read(result)
    check_files(result, read.manifest.files, AGAIN)
    found = evidence.read(read)
    for problem in found.problems:
        end(problem, 1)
    if found.problems:
        sys.exit(1)
    parts = {"the result": read.manifest} | {f"its {kind} evidence": each for kind, each in found.manifests.items()}
    print(
        f"{result}: {read.manifest.method} on {read.manifest.dataset}, {len(read.targets):,} targets, "
        f"{len(read.train):,} training examples, {len(read.influences):,} scores. Complete and undamaged."
    )
    if unknown := set(hashes_beside(result)) - set(read.manifest.files):
        print(
            f"The manifest has no hashes of {len(unknown)} other files ({', '.join(sorted(unknown)[:2])} ...), so a "
            "change in those would not be noticed."
        )
    old = [name for name, manifest in parts.items() if not manifest.has_digest]
    if old:
        print(
            f"An older version of this program wrote the manifest of {', '.join(old)}, without a digest of the "
            "manifest itself: the tables were compared with their hashes, but a change in that manifest would not be "
            "noticed."
        )


def migrate(
    result: Annotated[list[Path] | None, typer.Argument(help="Result folders. Default: all your results.")] = None,
) -> None:
    """Bring results that an older version wrote to this version's format; their tables stay as they are."""
    from influence import homes
    from influence.jobs.migrate import migrate as bring

    own = sorted(path.parent for path in homes.results_home().glob("[!.]*/manifest.json"))
    for folder in result or own:
        for sentence in bring(folder) or [f"{folder} is up to date."]:
            print(sentence)


def add_digest(result: Annotated[Path, typer.Argument(help="A result folder.")]) -> None:
    """Give the manifests of a result and its evidence that an older version wrote all hashes of today."""
    from influence import evidence, results

    folders = [result, *(evidence.place(result, kind) for kind in evidence.KINDS)]
    for folder in folders:
        if folder == result or folder.exists():
            added = results.add_digest(folder)
            print(f"{folder}: {'the hashes were added' if added else 'all hashes are there already'}.")


def add_to(app: typer.Typer) -> None:
    """Give a command line these verbs."""
    again = "Example: python -m influence replay precomputed/california-housing/tracin --out results/again"
    app.command(epilog=again)(replay)
    app.command(epilog="Example: python -m influence check precomputed/california-housing/tracin")(check)
    app.command(epilog="Example: python -m influence migrate results/seed-1")(migrate)
    app.command("add-digest", hidden=True)(add_digest)
