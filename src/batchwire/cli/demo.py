"""``batchwire demo``: a batch that is paused, killed and resumed, and still adds up."""

import signal
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from batchwire.cli import demo_list, output
from batchwire.cli.demo_list import Made
from batchwire.cli.demo_stage import Broken, Stage, printer
from batchwire.cli.exit_codes import ExitCode
from batchwire.cli.options import Json

app = typer.Typer(add_completion=False)

_SETTINGS = """\
database_url: demo.db
default_region: DE
providers:
  demo:
    kind: http
    url: {url}/messages
    body: {{to: "<to>", text: "<text>"}}
    answer: {{message_id: id, error_code: [error.code], error_message: [error.message]}}
    idempotency_header: Idempotency-Key
    concurrency: 64
    rate_parts_per_s: {rate}
"""
_PROVIDER = (
    "sandbox-provider --port 0 --latency-ms 20 --jitter-ms 5"
    " --transient-rate 0.03 --permanent-rate 0.02 --reset-rate 0.002"
)
_TEMPLATE = (
    "Hello {{name}}, {{code}} is your code. Do not show it to anybody, not even to us!"
)
_SEND = f"send people.csv --template '{_TEMPLATE}'"


class Sums(msgspec.Struct, frozen=True, kw_only=True):
    """What our ledger says beside what the provider counted."""

    recipients: int
    counts: dict[str, int]
    accepted_by_provider: int
    accepted_twice_by_provider: int
    answered_again_by_provider: int
    wrong: list[str]


@app.command("demo")
def command(
    *,
    rate: Annotated[
        float, typer.Option(min=1, help="Parts per second of the demo's provider.")
    ] = 1000.0,
    json: Json = False,
) -> None:
    """
    Send 10,000 messages to a sandbox provider: pause, resume, kill, retry, verify.

    Takes less than a minute, talks to nothing but this machine, leaves nothing behind.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    say = printer(is_quiet=json)
    with tempfile.TemporaryDirectory(prefix="batchwire-demo-") as name:
        folder = Path(name)
        with Stage(folder, say) as stage:
            try:
                sums = _play(stage, folder, rate)
            except Broken as broken:
                output.note(f"error: the demo broke off: {broken}")
                raise typer.Exit(ExitCode.NOT_GOOD) from None
    if json:
        output.as_json(sums)
    raise typer.Exit(ExitCode.NOT_GOOD if sums.wrong else ExitCode.OK)


def _play(stage: Stage, folder: Path, rate: float) -> Sums:
    made = _prepare(stage, folder, rate)
    _send(stage)
    _pause(stage)
    _end_of_delivery(stage)
    return _compare(stage, made)


def _prepare(stage: Stage, folder: Path, rate: float) -> Made:
    stage.title("A list as real ones are, and a provider that sends nothing")
    made = demo_list.make(folder / "people.csv")
    stage.tell(
        f"people.csv: {made.lines:,} lines, of them {made.invalid} with no usable"
        f" number and {made.duplicates} numbers twice, in other spellings"
    )
    stage.start_provider(_PROVIDER)
    (folder / "batchwire.yaml").write_text(_SETTINGS.format(url=stage.url, rate=rate))
    stage.tell(f"listens on {stage.url}, which batchwire.yaml names")
    stage.title("Look first: nothing is sent")
    stage.do(f"{_SEND} --dry-run", shown=0)
    return made


def _send(stage: Stage) -> None:
    stage.title("Send, with the engine as a service")
    stage.do(f"{_SEND} --batch-id spring --no-wait")
    engine = stage.start("serve")
    accepted = stage.wait_until_accepted(demo_list.LINES // 10)
    stage.title(f"Kill the engine with SIGKILL after {accepted:,} messages")
    engine.kill()
    engine.wait()
    stage.do("show spring")
    stage.tell("what was on its way is found, and asked for again by its own key")
    stage.start("serve")


def _pause(stage: Stage) -> None:
    stage.wait_until_accepted(demo_list.LINES // 7)  # much is left for a slow machine
    stage.title("Pause in the middle, and go on")
    stage.do("pause spring --reason lunch")
    time.sleep(0.5)
    before = stage.stats()["accepted"]
    time.sleep(1.0)
    after = stage.stats()["accepted"]
    stage.tell(f"provider: {before:,} accepted, a second later {after:,}")
    if after != before:
        raise Broken("messages went out while the batch was paused")
    stage.do("resume spring")


def _end_of_delivery(stage: Stage) -> None:
    stage.title("Wait for the end, then try the failed again")
    stage.do("watch spring", shown=0)
    stage.do("retry spring --reason 'perhaps now'")
    stage.do("watch spring")


def _compare(stage: Stage, made: Made) -> Sums:
    stage.title("The closed ledger beside what the provider counted")
    stage.do("show spring", shown=0)
    shown, counted = stage.ask("show spring"), stage.stats()
    stage.tell(f"provider: {counted['accepted']:,} messages accepted")
    stage.tell(f"provider: {counted['repeated_recipients']} recipients accepted twice")
    stage.tell(f"provider: {counted['duplicates']} repetitions known by their key")
    stage.do("verify spring")
    sums = Sums(
        recipients=shown["recipients"],
        counts=shown["counts"],
        accepted_by_provider=counted["accepted"],
        accepted_twice_by_provider=counted["repeated_recipients"],
        answered_again_by_provider=counted["duplicates"],
        wrong=_wrong(shown["counts"], counted, made),
    )
    stage.title("It does not add up" if sums.wrong else "It adds up")
    for sentence in sums.wrong:
        stage.tell(sentence)
    return sums


def _wrong(counts: dict[str, int], counted: dict[str, Any], made: Made) -> list[str]:
    """Compare; a sentence for each number that is not what it must be."""
    unknown = counted["accepted"] - counts["accepted"]  # answers that were lost
    pairs = {
        "the sum of the ledger and the lines": (sum(counts.values()), made.lines),
        "invalid and made so": (counts["invalid"], made.invalid),
        "duplicates and made so": (counts["duplicate"], made.duplicates),
        "still open": (counts["open"], 0),
        "accepted there and not here": (unknown, min(unknown, counts["uncertain"])),
        "accepted here and not there": (min(unknown, 0), 0),
        "recipients accepted twice": (counted["repeated_recipients"], 0),
    }
    return [f"{what}: {a:,}, {b:,}" for what, (a, b) in pairs.items() if a != b]
