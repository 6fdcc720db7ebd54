"""``batchwire send``: make a batch of a list and a template, and deliver it."""

import hashlib
import secrets
import uuid
from contextlib import suppress
from datetime import timedelta
from enum import Enum, auto
from pathlib import Path
from typing import Annotated

import typer
from msgspec.structs import replace

from batchwire.bootstrap import App, opened
from batchwire.cli import dry_run, following, output, session, values
from batchwire.cli.exit_codes import ExitCode
from batchwire.cli.options import Json
from batchwire.cli.views import headline, view, warn_of_single_braces
from batchwire.config import Settings
from batchwire.domain.batch import Batch, OnUncertain
from batchwire.domain.identifiers import (
    BATCH_ID_RULE,
    REQUEST_ID_LONGEST,
    is_batch_id,
)
from batchwire.domain.lifecycle import Status
from batchwire.engine.intake import Submission
from batchwire.errors import EngineAlreadyRunning, MalformedMessage, UnknownBatch

app = typer.Typer(add_completion=False)
_JUST_NOW = timedelta(minutes=1)  # --schedule by a script, which meant now


@app.command("send")
def command(  # noqa: PLR0913 - a parameter is an option
    ctx: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            metavar="LIST",
            help="CSV with a header, JSON Lines, or a number a line; - is stdin.",
        ),
    ],
    *,
    template: Annotated[
        str | None, typer.Option(help="The text, with {{name}} for parameters.")
    ] = None,
    template_file: Annotated[
        Path | None,
        typer.Option(readable=False, help="A UTF-8 file with the text."),
    ] = None,
    provider: Annotated[str, typer.Option(help="Who sends, of the settings.")] = "",
    default_region: Annotated[
        str, typer.Option(help="Region of numbers without country code: DE.")
    ] = "",
    param: Annotated[
        list[str] | None,
        typer.Option(help="name=value for all recipients; may be repeated."),
    ] = None,
    schedule: Annotated[str, typer.Option(help="Not before (RFC 3339).")] = "",
    not_after: Annotated[
        str, typer.Option(help="Not after (RFC 3339), which must be to come.")
    ] = "",
    priority: Annotated[int, typer.Option(min=1, max=10, help="10 goes first.")] = 5,
    max_retries: Annotated[
        int, typer.Option(min=0, max=100, help="Further attempts per recipient.")
    ] = 3,
    timeout: Annotated[
        int, typer.Option(min=1, help="Seconds without progress until it expires.")
    ] = 300,
    rate: Annotated[
        float, typer.Option(min=0, help="Most parts per second; 0: the provider's.")
    ] = 0.0,
    on_uncertain: Annotated[
        OnUncertain | None,
        typer.Option(
            help="What to do when an answer is lost; resend where the provider honours"
            " idempotency keys, else hold."
        ),
    ] = None,
    smart_encoding: Annotated[
        bool,
        typer.Option("--smart-encoding", help="Quotes, dashes … as GSM-7 has them."),
    ] = False,
    number_column: Annotated[
        str, typer.Option(help="The CSV's column of numbers.")
    ] = "",
    batch_id: Annotated[str, typer.Option(help="Else one is made.")] = "",
    request_id: Annotated[
        str, typer.Option(help="The same request again makes no second batch.")
    ] = "",
    user_id: Annotated[str, typer.Option(help="Whose batch, for the record.")] = "",
    is_dry: Annotated[
        bool, typer.Option("--dry-run", help="Check and count; send nothing.")
    ] = False,
    wait: Annotated[
        bool | None,
        typer.Option(
            "--wait/--no-wait",
            help="Wait for the end. Else: yes, unless a service (serve) works already."
            " Beside another send this one follows, and is the engine when that ends.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """
    Make a batch and deliver it.

    Where no engine runs on the database, this command is the engine until the batch
    has ended. Ctrl-C once drains, twice ends at once; nothing is lost either way.
    """
    given = Submission(
        batch_id=_batch_id(batch_id, request_id),
        request_id=_request_id(request_id),
        template=values.template_of(template, template_file),
        provider=provider,
        source=values.name_of(source),
        number_column=number_column,
        params=values.params_of(param or []),
        user_id=user_id,
        default_region=default_region,
        schedule_time=values.time_of("--schedule", schedule),
        not_after=values.time_of("--not-after", not_after),
        priority=priority,
        max_retries=max_retries,
        timeout_s=timeout,
        rate_parts_per_s=values.rate_of("--rate", rate),
        smart_encoding=smart_encoding,
    )
    # What a dry run finds, it says itself.
    settings = session.settings_of(ctx, "error" if is_dry else "warning")
    sending = Sending(settings, given, source, on_uncertain, as_json=json)
    work = sending.dry_run() if is_dry else sending.run(is_waiting=wait)
    try:
        ended = session.run(work)
    except KeyboardInterrupt:
        session.run(sending.tell_interrupted())
        raise
    raise typer.Exit(ended)


class AtWork(Enum):
    """Who is the engine on the database."""

    NOBODY = auto()
    SEND = auto()  # another one, until its own batch has ended
    SERVICE = auto()


class Sending:
    """
    One run of the command.

    Raises:
        ProviderSettingsRefused: there is no provider of the name that is given.
        SettingsError: none is given, and there is no default.

    """

    def __init__(
        self,
        settings: Settings,
        given: Submission,
        source: str,
        on_uncertain: OnUncertain | None,
        *,
        as_json: bool,
    ) -> None:
        self._settings = settings
        self._given = given
        self._provider = values.provider_of(settings, given.provider)
        self._source = source
        self._on_uncertain = on_uncertain
        self._as_json = as_json
        self._is_asking = False  # for a batch: it may be there

    async def dry_run(self) -> ExitCode:
        """Do all but sending, in a database that is thrown away."""
        with dry_run.elsewhere(self._settings) as settings:
            async with opened(settings) as app:
                await self._check_times(app)
                data = values.pieces(self._source)
                found = await dry_run.run(app, self._settings, self._asked(app), data)
        dry_run.tell(found, as_json=self._as_json)
        return ExitCode.OK if found.counts["open"] else ExitCode.NOT_GOOD

    async def run(self, *, is_waiting: bool | None) -> ExitCode:
        """Make the batch; deliver, follow, or say how to."""
        is_first = session.is_new(self._settings)
        async with opened(self._settings) as app:
            await self._check_times(app)
            data = values.pieces(self._source)
            self._is_asking = True
            batch, is_new = await app.intake.take(self._asked(app), data)
            if is_first:  # perhaps another was meant, with who is suppressed
                path = self._settings.database_path
                output.note(f"there was no database {path}: this made it")
            name = batch.spec.provider
            provider = self._settings.providers.get(name)
            if provider is not None and provider.kind == "sandbox":
                output.note(f"the provider {name} is a sandbox: nothing is really sent")
            warn_of_single_braces(batch)
            if not is_new:
                output.note("this request was made before: this is its batch")
            if batch.state.status.has_ended:
                return following.result(batch, as_json=self._as_json)
            at_work = await _at_work(app)
            is_served = at_work is AtWork.SERVICE
            if is_waiting is False or (is_served and is_waiting is None):
                self._leave(batch, at_work)
                return ExitCode.OK
            if at_work is AtWork.SEND:
                output.note(
                    "another `send` is the engine: this one follows, and goes on with"
                    " its batch when that has ended"
                )
            return await self._wait(app, batch)

    async def tell_interrupted(self) -> None:
        """Say whether there is a batch, to whoever was not heard by ``run``."""
        if self._is_asking:
            async with opened(self._settings) as app:
                with suppress(UnknownBatch):
                    batch = await app.store.batch(self._given.batch_id)
                    if batch.state.status.has_ended:
                        output.note(headline(batch))
                    else:
                        at_work = await _at_work(app)
                        output.note(f"interrupted; {_how(batch, at_work)}")
                    return
        output.note("interrupted before the batch was made: there is none")

    async def _check_times(self, app: App) -> None:
        """
        Refuse times that have passed, unless the batch was made in time.

        Here and not in intake: a request of the topic that comes late makes a batch that
        expires, which its sender learns of.
        """
        now = app.clock.now()
        options = (
            ("--not-after", self._given.not_after, now, "nothing could be sent"),
            (
                "--schedule",
                self._given.schedule_time,
                now - _JUST_NOW,
                "all goes at once",
            ),
        )
        for option, when, least, effect in options:
            if when is None or when > least:
                continue
            with suppress(UnknownBatch):
                await app.store.batch(self._given.batch_id)
                return
            problem = (
                f"{output.moment(when)} has passed (it is {output.moment(now)}), so"
                f" {effect}; give a later time, or none"
            )
            raise MalformedMessage(option, problem)

    async def _wait(self, app: App, batch: Batch) -> ExitCode:
        """Follow it beside an engine, or be the engine where none works (any more)."""
        has_engine = True

        limit_s = self._settings.engine.drain_timeout_s

        def tell() -> None:
            if not has_engine:
                output.draining(limit_s)

        with session.stopping(limit_s, tell) as stop:
            while True:
                has_engine = await app.store.has_engine()
                if not has_engine:
                    for other in await _others(app, batch):
                        name = other.spec.batch_id
                        output.note(
                            f"{name} goes on too ({other.state.status});"
                            f" `batchwire pause {name}` holds it"
                        )
                wait = following.follow if has_engine else following.deliver
                with suppress(EngineAlreadyRunning):  # somebody was faster
                    batch = await wait(
                        app, batch.spec.batch_id, stop, is_quiet=self._as_json
                    )
                if batch.state.status.has_ended or stop.is_set():
                    break
        roles = {one.role for one in await app.store.living()}
        if not has_engine and "engine" not in roles:
            for other in await _others(app, batch):
                output.note(
                    f"{other.spec.batch_id} is not done ({other.state.status}), and"
                    " nothing works on it now: a `send` that waits for it goes on,"
                    " else `batchwire serve --until-idle` does"
                )
        if not batch.state.status.has_ended:
            at_work = await _at_work(app) if has_engine else AtWork.NOBODY
            is_served = at_work is AtWork.SERVICE
            goes_on = "the engine goes on with it; " if is_served else ""
            output.note(f"interrupted; {goes_on}{_how(batch, at_work)}")
        return following.result(batch, as_json=self._as_json)

    def _leave(self, batch: Batch, at_work: AtWork) -> None:
        if self._as_json:
            output.as_json(view(batch))
            return
        output.line(headline(batch))
        output.note(_how(batch, at_work))

    def _asked(self, app: App) -> Submission:
        """Complete what was given by what the settings and the provider say."""
        given, settings = self._given, self._settings
        provider = self._provider
        is_safe = app.providers[provider].traits.honours_idempotency_key
        default = OnUncertain.RESEND if is_safe else OnUncertain.HOLD
        return replace(
            given,
            provider=provider,
            default_region=given.default_region or settings.default_region or "",
            on_uncertain=self._on_uncertain or default,
            chunk_size=settings.engine.chunk_size,
        )


async def _others(app: App, ours: Batch) -> list[Batch]:
    """Find the batches that an engine carries on beside the one it is started for."""
    running = [s for s in Status if not (s.has_ended or s.is_paused)]
    found = await app.store.batches(running)
    return [one for one in found if one.spec.batch_id != ours.spec.batch_id]


async def _at_work(app: App) -> AtWork:
    if not await app.store.has_engine():
        return AtWork.NOBODY
    return AtWork.SERVICE if await app.store.has_service() else AtWork.SEND


def _how(batch: Batch, at_work: AtWork) -> str:
    """Say how to go on."""
    name = batch.spec.batch_id
    if at_work is AtWork.SERVICE:
        return f"`batchwire watch {name}` follows it"
    if at_work is AtWork.SEND:
        return (
            f"`batchwire watch {name}` follows it; the engine is another `send`, which"
            " may end before it: `batchwire serve --until-idle` goes on then"
        )
    if batch.state.status.is_paused and batch.resume_at is None:
        return f"`batchwire resume {name}`, then `batchwire serve --until-idle`"
    return (
        f"`batchwire serve --until-idle` delivers it, `batchwire pause {name}` holds"
        f" it, `batchwire abort {name}` ends it"
    )


def _batch_id(given: str, request_id: str) -> str:
    """Give the batch's id; of the same request it is the same."""
    if given and not is_batch_id(given):
        problem = f"--batch-id {given!r}: {BATCH_ID_RULE}"
        raise typer.BadParameter(problem)
    if given:
        return given
    if request_id:
        return f"b-{hashlib.sha256(request_id.encode()).hexdigest()[:12]}"
    return f"b-{secrets.token_hex(6)}"


def _request_id(given: str) -> str:
    if len(given) > REQUEST_ID_LONGEST:
        problem = f"--request-id: at most {REQUEST_ID_LONGEST} characters"
        raise typer.BadParameter(problem)
    return given or str(uuid.uuid4())
