"""Regions of numbers without a country code."""

import phonenumbers
import pytest

from batchwire.config.regions import REGIONS, iso_region


def test_our_list_is_that_of_libphonenumber() -> None:
    assert REGIONS == phonenumbers.SUPPORTED_REGIONS


def test_a_region_is_written_in_capitals() -> None:
    assert iso_region(" gb ") == "GB"


@pytest.mark.parametrize("text", ["XX", "ENG", "49", "", "001"])
def test_what_is_no_region_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be a region of ISO 3166 in two letters"):
        iso_region(text)
