"""The page of what becomes of a recipient, and of what a provider says."""

from batchwire.domain.counts import count, failed, success
from batchwire.domain.outcome import RETRYABLE, Outcome, Verdict
from docs_build.markdown import code, comments, table

_HEAD = """\
# Outcomes

Every recipient of a batch stands in exactly one of these, at any moment and after any
crash: the sum over all of them is the number of recipients. A batch that is aborted or
expires before it is prepared counts those that were prepared by then. The byte is what
the [ledger](ledger.md) stores.

"""
_VERDICTS = """
## Verdicts: what a provider's answer means

The class of an answer decides what happens next. `throttled`, `connection` and
`configuration` are no attempts: they cost a recipient nothing. In
`batchwire recipients` and `batchwire retry --error-class` these are the error classes.

"""


def page() -> str:
    """Give the page."""
    meanings = comments(Outcome)
    outcomes = table(
        ("outcome", "byte", "meaning: how it moves on", "counted as", "retry"),
        (
            (
                code(outcome.name.lower()),
                str(outcome.value),
                meanings[outcome.name],
                _counted(outcome),
                "yes" if outcome in RETRYABLE else "",
            )
            for outcome in Outcome
        ),
    )
    said = comments(Verdict)
    verdicts = table(
        ("verdict", "meaning"),
        ((code(v), said.get(v.name, "the provider took the message")) for v in Verdict),
    )
    return _HEAD + outcomes + _VERDICTS + verdicts


def _counted(outcome: Outcome) -> str:
    one = count(bytes([outcome]))
    if success(one):
        return "success"
    return "failed" if failed(one) else ""
