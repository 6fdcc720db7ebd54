"""``batchwire sandbox-provider``: an HTTP server that behaves like an SMS provider."""

from typing import Annotated, Any

import typer

from batchwire.adapters.sandbox import Behaviour, ServerSettings, run

app = typer.Typer(add_completion=False)


def _amount(text: str) -> Any:  # noqa: ANN401 - what Typer takes
    return typer.Option(min=0, help=text)


def _share(text: str) -> Any:  # noqa: ANN401 - what Typer takes
    return typer.Option(min=0, max=1, help=f"Share (0 to 1) of {text}.")


@app.command("sandbox-provider")
def command(  # noqa: PLR0913 - a parameter is an option
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")
    ] = 8099,
    cert: Annotated[str, typer.Option(help="PEM certificate: speaks TLS.")] = "",
    key: Annotated[str, typer.Option(help="PEM key, if not beside --cert.")] = "",
    seed: Annotated[int | None, typer.Option(help="Makes chance repeat.")] = None,
    latency_ms: Annotated[float, _amount("From request to answer.")] = 0.0,
    jitter_ms: Annotated[float, _amount("Deviation of --latency-ms.")] = 0.0,
    rate_parts_per_s: Annotated[float, _amount("Above it: 429. 0 is unlimited.")] = 0.0,
    burst_parts: Annotated[int, _amount("Parts at once after a silence.")] = 0,
    permanent_rate: Annotated[float, _share("messages refused for good")] = 0.0,
    permanent_suffix: Annotated[
        str, typer.Option(help="Numbers that end so are refused for good.")
    ] = "",
    optout_rate: Annotated[float, _share("recipients that opted out")] = 0.0,
    transient_rate: Annotated[float, _share("messages that fail for now")] = 0.0,
    reset_rate: Annotated[float, _share("connections that break")] = 0.0,
    slow_drip_rate: Annotated[float, _share("answers that come by the byte")] = 0.0,
    remembered_keys: Annotated[
        int, _amount("Idempotency keys that are remembered; 0 is none.")
    ] = 500_000,
    receipts_url: Annotated[str, typer.Option(help="Where receipts go.")] = "",
    receipt_delay_ms: Annotated[float, _amount("From acceptance to receipt.")] = 0.0,
    undelivered_rate: Annotated[float, _share("receipts: undelivered")] = 0.0,
) -> None:
    """
    Serve a provider that sends nothing, until Ctrl-C; POST /messages, GET /stats.

    GET and PUT /behaviour change how it behaves while it runs.
    """
    chosen: dict[str, object] = {
        "seed": seed,
        "latency_ms": latency_ms,
        "jitter_ms": jitter_ms,
        "rate_parts_per_s": rate_parts_per_s,
        "burst_parts": burst_parts,
        "permanent_rate": permanent_rate,
        "permanent_suffix": permanent_suffix,
        "optout_rate": optout_rate,
        "transient_rate": transient_rate,
        "reset_rate": reset_rate,
        "slow_drip_rate": slow_drip_rate,
        "remembered_keys": remembered_keys,
        "receipts_url": receipts_url,
        "receipt_delay_ms": receipt_delay_ms,
        "undelivered_rate": undelivered_rate,
    }
    behaviour = Behaviour().changed(chosen)
    run(ServerSettings(host=host, port=port, cert=cert, key=key, behaviour=behaviour))
