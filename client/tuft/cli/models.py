"""`tuft models`: published models by name, fetched, adopted and published in one step."""

from __future__ import annotations

import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tuft import contract, provenance
from tuft.cli._shared import (
    DONE,
    add_command,
    add_repository,
    add_server_options,
    print_error,
    repository_of,
    settings_of,
)
from tuft.comparison import CompareOptions, compare
from tuft.errors import IntegrityError, OptionError, SetupError
from tuft.files import MODEL_REPOSITORY, data_folder
from tuft.inference.transport.connect import LOCAL
from tuft.models import MODELS, KnownModel, NotExported, NpmFile, OwnCheckpoint, model_from_name
from tuft.presets import REFINEMENTS
from tuft.provenance import RECORD
from tuft.text import aligned_table

if TYPE_CHECKING:
    import argparse

    from tuft.cli._shared import Commands

# What publishes is loaded by its name: the client works without it.
_PULLING: Final = "tuft_export.pulling"
_RUNTIMES: Final = tuple(runtime for runtime in contract.RUNTIMES if runtime != "tensorrt")
_YES: Final = ("y", "yes")


def add_to(commands: Commands) -> None:
    """Adds the command and its subcommands."""
    models = add_command(commands, "models", _list, "list published models, and fetch them by name")
    actions = models.add_subparsers(title="commands", required=True, metavar="ACTION")
    listing = add_command(actions, "list", _list, "list the known models, their licences, and which are here")
    showing = add_command(actions, "show", _show, "show what is known of a model, and where each fact is read")
    pulling = add_command(actions, "pull", _pull, "fetch models, prove and publish them")
    _add_compare(actions)
    showing.add_argument("name", metavar="NAME")
    pulling.add_argument("names", nargs="+", metavar="NAME")
    for parser in (listing, showing, pulling):
        add_repository(parser)
    pulling.add_argument("--runtime", choices=_RUNTIMES, default="python", help="that serves it (default: %(default)s)")
    pulling.add_argument("--accept-licence", action="store_true",
                         help="accept a licence that forbids commercial use, which is asked for otherwise")  # fmt: skip
    pulling.add_argument("--again", action="store_true", help="publish again what is published already")


def _add_compare(actions: Commands) -> None:
    parser = add_command(
        actions, "compare", _compare, "let models cut out the same photographs, and show who does what"
    )
    parser.add_argument("photos", nargs="+", type=Path, metavar="PHOTO", help="photographs and folders of photographs")
    parser.add_argument("--truth", type=Path, metavar="MASKS", help="folder of masks that are called like the "
                        "photographs, or the mask of a single one: gives errors instead of estimates")  # fmt: skip
    parser.add_argument("--model", action="append", default=[], metavar="NAME", dest="models",
                        help="a served model or a preset, may be repeated; by default the preset and all models that "
                             "are not tuft's own")  # fmt: skip
    parser.add_argument("-o", "--output", type=Path, default=CompareOptions.folder, metavar="OUT",
                        help="folder for the page, the numbers and all cut-outs, %(default)s by default")  # fmt: skip
    parser.add_argument(
        "--refine", choices=REFINEMENTS, help="for all, by default the preset's; none compares networks"
    )
    add_server_options(parser)


def _compare(arguments: argparse.Namespace) -> int:
    options = CompareOptions(
        photos=tuple(arguments.photos),
        models=tuple(arguments.models),
        truth=arguments.truth,
        folder=arguments.output,
        refine=arguments.refine,
    )
    comparison = compare(options, settings_of(arguments))
    print(f"{comparison.verdict}\nThe page that shows them is {comparison.page}")
    return DONE


def _list(arguments: argparse.Namespace) -> int:
    repository = repository_of(arguments)
    heading = ("name", "for", "pixels", "MB", "licence", "here")
    print(aligned_table([heading, *(_row(model, repository) for model in MODELS.values())]))
    return DONE


def _row(model: KnownModel, repository: Path) -> tuple[str, ...]:
    licence = model.licence.name + ("" if model.licence.is_commercial else ", not commercial")
    here = "yes" if all(_is_here(model, repository / name) for name in model.served_names) else ""
    return model.name, model.task, str(model.size), str(model.megabytes), licence, here


def _is_here(model: KnownModel, folder: Path) -> bool:
    """Whether a version in a model's folder was made of this model; the InSPyReNets share their folders' names."""
    origin = model.origin.name if isinstance(model.origin, OwnCheckpoint) else f"{model.name}.onnx"
    for record in folder.glob(f"[1-9]*/{RECORD}"):
        with suppress(IntegrityError):
            if provenance.read(record.parent).chain[0]["name"] == origin:
                return True
    return False


def _show(arguments: argparse.Namespace) -> int:
    model = model_from_name(arguments.name)
    print("\n".join(f"{name:<15}{value}" for name, value in facts(model).items()))
    return DONE


def facts(model: KnownModel) -> dict[str, str]:
    """What is known of a model, each fact with its source in brackets."""

    def with_source(value: str, source: str) -> str:
        return f"{value} [{model.sources[source]}]"

    licence = f"{model.licence.name}; {model.licence.terms}" if model.licence.terms else model.licence.name
    output = f"output {model.output}, {_ACTIVATIONS[model.activation]}"
    shown = {
        "name": model.name,
        "for": model.task,
        "file": with_source(_where(model), "file"),
        "size": f"about {model.megabytes} MB",
        "hash": with_source(model.published_hash or "none; recorded when it first arrives", "hash"),
        "licence": with_source(licence, "licence"),
        "commercial use": _commercial_use(model),
        "input": with_source(f"{model.size} x {model.size}, {model.resize}, {model.normalize}", "input"),
        "output": with_source(output, "output"),
        "served as": ", ".join(model.served_names),
    }
    return {**shown, "note": model.note} if model.note else shown


def _commercial_use(model: KnownModel) -> str:
    if not model.licence.is_commercial:
        return "forbidden"
    return "not forbidden by this licence" + ("; what it leaves open is said there" if model.licence.terms else "")


_ACTIVATIONS: Final = {"sigmoid": "logits, so sigmoid", "softmax": "two channels, so softmax", "none": "0..1 already"}


def _where(model: KnownModel) -> str:
    origin = model.origin
    return f"{origin.package} {origin.version}, {origin.entry}" if isinstance(origin, NpmFile) else origin.url


def _pull(arguments: argparse.Namespace) -> int:
    models = [model_from_name(name) for name in arguments.names]
    for model in models:
        _require_licence(model, accepted=arguments.accept_licence)
    repository = repository_of(arguments)
    for model in models:
        pulled = _publish(model, arguments, repository)
        print(pulled)
    print(how_to_use(models, repository))
    return DONE


def _publish(model: KnownModel, arguments: argparse.Namespace, repository: Path) -> Any:
    try:
        pulling = import_module(_PULLING)
        options = pulling.PullOptions(
            repository, runtime=arguments.runtime, again=arguments.again, progress=sys.stderr.isatty()
        )
        return pulling.pull(model, options)
    except ImportError as exc:
        extra = "export" if isinstance(model.origin, OwnCheckpoint) else "engines"
        raise SetupError(f"Publishing {model.name} needs {exc.name}: pip install 'tuft-matting[{extra}]'.") from exc


def _require_licence(model: KnownModel, *, accepted: bool) -> None:
    """Says what the licence is; one that forbids commercial use has to be accepted.

    Raises:
        OptionError: It has not been accepted.
    """
    licence = model.licence
    print_error(f"{model.name}: {licence.name}" + (f", {licence.terms}" if licence.terms else ""))
    if licence.is_commercial or accepted or isinstance(model.origin, NotExported):
        return
    if sys.stdin.isatty() and input("Do you accept this licence? [y/N] ").strip().lower() in _YES:
        return
    raise OptionError(
        f"The licence of {model.name}, {licence.name}, is not accepted: read it, and give --accept-licence if you may "
        "use the model."
    )


def how_to_use(models: list[KnownModel], repository: Path) -> str:
    """The commands that use what is published in `repository`."""
    name = models[0].served_names[0]
    is_own = repository.resolve() == (data_folder() / MODEL_REPOSITORY).resolve()
    url = LOCAL if is_own else f"{LOCAL}:{repository}"
    serve = "tuft serve" if is_own else f"tuft serve --repository {repository}"
    return "\n".join(
        (
            f"In this process:  tuft remove PHOTO --model {name} --url {url}",
            f"With a server:    {serve}, then tuft remove PHOTO --model {name} (a running server is started again)",
        )
    )
