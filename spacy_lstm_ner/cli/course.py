"""The command of the course."""

from pathlib import Path
from typing import Annotated, Any

from ..checks import check_at_least
from ..data.files import shown
from .outputs import Force, check_file, has_text, is_json_with, write_json
from .shared import Arg, Opt, Quiet, app, progress

# Steps back in time of the printed gradients.
_STEPS_BACK = 30


@app.command("lab")
def lab(
    folder: Annotated[
        Path,
        Arg(metavar="OUTDIR", help="Folder to write gradients and recall to"),
    ],
    corpus: Annotated[
        Path, Opt(help="CoNLL file to train the taggers on and measure with")
    ],
    updates: Annotated[int, Opt(help="Updates of each network")] = 1000,
    seed: Annotated[int, Opt(help="Another seed gives other weights")] = 0,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Measure how far back in time networks learn."""
    from ..course.lab import (
        LEARN_RATES,
        RECALL_STEPS,
        gradient_encoders,
        measure_gradients,
        measure_recall,
        recall_encoders,
    )
    from ..reports.plots import CREATOR, check_picture, draw_decay

    picture = folder / "gradients.svg"
    check_picture(picture)
    check_at_least(1, updates=updates)
    written = {
        picture: lambda path: has_text(path, CREATOR),
        folder / "gradients.json": lambda path: is_json_with(path, "networks"),
        folder / "recall.json": lambda path: is_json_with(path, "accuracy"),
    }
    for path, is_ours in written.items():
        check_file(path, [path.suffix], is_ours, inputs=[corpus], force=force)
    settings: dict[str, Any] = {"updates": updates, "seed": seed}
    n_networks = len(gradient_encoders()) + len(recall_encoders()) * len(LEARN_RATES)
    with progress(total=n_networks * updates, quiet=quiet) as bar:
        decays = measure_gradients(corpus, **settings, on_update=bar.update)
        accuracies = measure_recall(**settings, on_update=bar.update)
    draw_decay(decays, picture, title=shown(f"Gradients of taggers, on {corpus.name}"))
    write_json(
        folder / "gradients.json",
        {
            "corpus": str(corpus),
            **settings,
            "networks": {name: decay._asdict() for name, decay in decays.items()},
        },
    )
    write_json(
        folder / "recall.json",
        {"steps": RECALL_STEPS, **settings, "accuracy": accuracies},
    )
    k = _STEPS_BACK
    print(f"gradient {k} steps back, as a share of that at the token of the loss")
    print(f"{'tagger':<22}{'before':>10}{'after':>10}{'accuracy':>10}")
    for name, (before, after, accuracy) in decays.items():
        print(f"{name:<22}{before[k]:>10.1e}{after[k]:>10.1e}{accuracy:>10.3f}")
    print(f"recall of a word {RECALL_STEPS} steps back, by learning rate")
    print(f"{'network':<22}" + "".join(f"{rate:>10}" for rate in LEARN_RATES))
    for name, by_rate in accuracies.items():
        print(
            f"{name:<22}" + "".join(f"{by_rate[rate]:>10.3f}" for rate in LEARN_RATES)
        )
    print(f"{folder}: gradients.json, gradients.svg, recall.json")
