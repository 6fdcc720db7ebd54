"""``batchwire providers``: the providers of the settings, and their rates while we run."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from batchwire.bootstrap import App
from batchwire.cli import output, session, values
from batchwire.cli.options import Json
from batchwire.domain.rationing import Rate, of_provider
from batchwire.errors import SettingsError
from batchwire.ports.provider import ProviderTraits

app = typer.Typer(
    name="providers", add_completion=False, help="See the providers, set their rates."
)


@app.command("list")
def show(ctx: typer.Context, *, json: Json = False) -> None:
    """List the providers of the settings with the rates that hold now."""

    async def read(app: App) -> list[dict[str, Any]]:
        kept = (await app.store.rates()).rates
        return [_view(n, p.traits, kept) for n, p in app.providers.items()]

    found = session.work_on(session.settings_of(ctx), read)
    if json:
        output.as_json(found)
        return
    no_limit = {"rate_parts_per_s": "unlimited", "burst_parts": ""}
    rows = [
        [str(no_limit[name] if value is None else value) for name, value in one.items()]
        for one in found
    ]
    output.table(["provider", "parts/s", "burst", "from", "at once"], rows)


@app.command("set-rate")
def set_rate(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="PROVIDER", help="Its name.")],
    rate: Annotated[
        float | None,
        typer.Argument(
            metavar="[PARTS_PER_S]", min=0, help="Parts per second; 0 is no limit."
        ),
    ] = None,
    *,
    burst: Annotated[
        float, typer.Option(min=0, help="Parts at once after a silence.")
    ] = 0.0,
    default: Annotated[
        bool, typer.Option("--default", help="Back to the rate of the settings.")
    ] = False,
    json: Json = False,
) -> None:
    """
    Set a provider's rate for every engine on this database, within a second.

    It is kept there, over restarts, until --default takes it back. Without --burst
    as much may go at once as the rate has in 100 ms.
    """
    if default == (rate is not None):
        message = "say either PARTS_PER_S or --default"
        raise typer.BadParameter(message)
    chosen = None
    if rate is not None:
        chosen = Rate(
            parts_per_s=values.rate_of("PARTS_PER_S", rate),
            burst=values.rate_of("--burst", burst),
        )

    async def write(app: App) -> dict[str, Any]:
        provider = app.providers.get(name)
        if provider is None:
            known = ", ".join(sorted(app.providers))
            message = f"providers.{name}: there is no such provider (there: {known})"
            raise SettingsError(message)
        await app.store.set_rate(of_provider(name), chosen)
        return _view(name, provider.traits, (await app.store.rates()).rates)

    found = session.work_on(session.settings_of(ctx), write)
    if json:
        output.as_json(found)
    else:
        output.line(
            f"{name}: {found['rate_parts_per_s'] or 'unlimited'} parts/s"
            f" ({found['rate_from']})"
        )


def _view(
    name: str, traits: ProviderTraits, kept: Mapping[str, Rate]
) -> dict[str, Any]:
    settings = Rate(parts_per_s=traits.rate_parts_per_s, burst=traits.burst_parts)
    rate = kept.get(of_provider(name), settings)
    return {
        "provider": name,
        "rate_parts_per_s": rate.parts_per_s or None,
        "burst_parts": rate.most_at_once if rate.parts_per_s else None,
        "rate_from": "settings" if rate is settings else "set-rate",
        "concurrency": traits.concurrency,
    }
