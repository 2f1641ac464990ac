"""`audit`: checkpoints of the record, what is proven of it, and the record as a file."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from service import keys
from service.cli.amounts import moment
from service.cli.context import EXIT_FAILED, api, as_json, chosen, print_json
from service.cli.storing import own_store
from service.engine import checkpoints, noting
from service.engine.checkpoints import NoCheckpoint
from service.engine.trusting import KEY
from service.errors import StartError
from service.keys import KeyProblem, Public
from service.settings import Settings
from service.showing import exported, proven
from service.showing.exported import Form, NoExport
from service.store.chain import Head, Line, Proof, prove
from service.store.store import Store

PATH = click.Path(exists=True, path_type=Path)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
OUT = click.Path(dir_okay=False, path_type=Path)


@click.group()
def audit() -> None:
    """Prove, keep elsewhere and export the record of who did what."""


@audit.command()
@click.option("-o", "--output", type=OUT, help="Write it to this new file instead of printing it.")
def checkpoint(output: Path | None) -> None:
    """Sign the record's head, to be kept elsewhere.

    The key is that of `segue signing-key`. The record is proven first. To each place of SEGUE_CHECKPOINTS
    the installation's workers send one, too.
    """
    settings = chosen()
    with own_store() as store:
        head = _proven_head(store)
        content = _signed(settings, head)
        with store.change() as change:
            noting.note(change, settings.checkpoints)
    if output is None:
        click.echo(content, nl=False)
    else:
        _write_new(output, content)
    for place in settings.checkpoints:
        click.echo(f"it is sent to {place}, too", err=True)


@audit.command()
@click.option(
    "--checkpoint",
    "files",
    type=PATH,
    multiple=True,
    help="Hold it against this checkpoint, or all in a folder. Again for more.",
)
@click.option("--export", "export", type=FILE, help="Prove this file (.jsonl, .csv) instead of the store.")
@click.option("--part", is_flag=True, help="The file is a part, with entries left out.")
@click.option("--key", "key", type=FILE, help="Public keys of checkpoints. Default: this installation's.")
@as_json
def verify(
    files: Sequence[Path], export: Path | None, key: Path | None, *, part: bool, wants_json: bool
) -> None:
    """Prove that nobody changed the record, and say how far that goes.

    Exit code 1 where an entry was edited, removed or put elsewhere: the first one is named. That all entries
    were written anew only a checkpoint shows that was kept elsewhere. With --export and --key it needs no
    installation.

    \b
      segue audit verify
      segue audit verify --checkpoint /mnt/audit
      segue audit verify --export record.jsonl --key segue.pub --checkpoint checkpoint.json
    """
    if part and export is None:
        raise click.UsageError("--part is for a file: give it by --export")
    heads = [_head(one, _known(key)) for one in _all(files)] if files else []
    with _lines(export) as lines:
        proof = prove(lines, heads, part=part)
    _tell(proof, part=part, wants_json=wants_json)


@audit.command("export")
@click.option("-o", "--output", type=OUT, help="Write this file (.jsonl, .csv) instead of printing it.")
@click.option(
    "--form", type=click.Choice([form.value for form in Form]), help="Default: after the file's name."
)
@click.option("--since", callback=moment, metavar="TIME", help="From then on: 2026-01-31T14:00:00Z, or 24h.")
@click.option("--until", callback=moment, metavar="TIME", help="Up to then.")
@click.option("--model", metavar="MODEL", help="Only what is about this model, its versions and releases.")
@click.option("--release", metavar="RELEASE", help="Only what is about this release, and its version.")
def export_record(output: Path | None, form: str | None, **asked: Any) -> None:
    """Write the record into a file that can be proven anew.

    JSON lines or CSV, an entry each, with all that its hash covers; `detail` is the stored text. Read in
    pieces, as it was when the command was typed.

    \b
      segue audit export -o record.jsonl
      segue audit verify --export record.jsonl
      segue audit export -o wine.csv --model wine --since 2026-01-01T00:00:00Z
    """
    chosen_form = form or (_form_of(output).value if output else Form.JSONL.value)
    pieces = api().export_record(chosen_form, **asked)
    if output is None:
        for piece in pieces:
            click.echo(piece, nl=False)
    else:
        _write_whole(output, pieces)


def _write_whole(path: Path, pieces: Iterator[bytes]) -> None:
    """Half a record under a good name would look like a whole one that was cut."""
    begun = path.with_name(f".{path.name}.part")
    try:
        with begun.open("wb") as file:
            file.writelines(pieces)
        begun.replace(path)
    finally:
        begun.unlink(missing_ok=True)


def _tell(proof: Proof, *, part: bool, wants_json: bool) -> None:
    if wants_json:
        print_json(proven.values(proof))
    else:
        for line in proven.lines(proof, part=part):
            click.echo(line)
    if proof.tampered is not None:
        raise click.exceptions.Exit(EXIT_FAILED)


def _proven_head(store: Store) -> Head:
    with store.read() as read:
        head, wrong = read.record_head(), store.verify()
    if wrong is not None:
        raise click.ClickException(f"entry {wrong.id} is not as it was written: {wrong.reason}")
    if head.size == 0:
        raise click.ClickException("the record is empty; there is nothing to sign yet")
    return head


def _signed(settings: Settings, head: Head) -> bytes:
    private = settings.secret(KEY)
    if private is None:
        raise StartError("there is no key to sign with; make it with: segue signing-key")
    try:
        return checkpoints.sign(head, private)
    except KeyProblem as reason:
        raise StartError(f"the secret file {KEY} cannot be used: {reason}") from reason


def _write_new(path: Path, content: bytes) -> None:
    """Evidence is never written over."""
    try:
        with path.open("xb") as file:
            file.write(content)
    except FileExistsError:
        raise click.ClickException(f"{path} is there already; name a new file") from None


def _known(key: Path | None) -> tuple[Public, ...]:
    """The keys that may have signed checkpoints: those of a file, or ours, those that it replaced too."""
    try:
        found = checkpoints.known(chosen()) if key is None else keys.trusted(key.read_bytes())
    except KeyProblem as reason:
        raise StartError(f"{key or f'the secret file {KEY}'} cannot be used: {reason}") from reason
    if not found:
        raise StartError("there is no key of this installation; give the public one by --key")
    return found


def _all(files: Sequence[Path]) -> Iterator[Path]:
    for file in files:
        found = sorted(file.glob("checkpoint-*.json")) if file.is_dir() else [file]
        if not found:
            raise click.ClickException(f"{file} holds no checkpoint-….json")
        yield from found


def _head(file: Path, known: Sequence[Public]) -> Head:
    try:
        return checkpoints.read(file.read_bytes(), known)
    except NoCheckpoint as reason:
        raise click.ClickException(f"{file}: {reason}") from None


@contextmanager
def _lines(export: Path | None) -> Iterator[Iterator[Line]]:
    """The entries of a file, or of the installation's store."""
    if export is None:
        with own_store() as store, store.read() as read:
            yield read.record_lines()
        return
    try:
        with export.open(encoding="utf-8", newline="") as file:
            yield exported.read(file, _form_of(export))
    except (NoExport, UnicodeDecodeError) as reason:
        raise click.ClickException(f"{export}: {reason}") from None


def _form_of(file: Path) -> Form:
    found = file.suffix.lower().removeprefix(".")
    if found not in set(Form):
        raise click.UsageError(f"{file}: name the file .jsonl or .csv, after what it holds")
    return Form(found)


COMMANDS = (audit,)
