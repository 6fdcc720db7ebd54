"""The regions whose national numbers can be read (ISO 3166-1 and libphonenumber)."""

from typing import Final

# A list of our own: importing libphonenumber's costs as much as all settings together.
# A test holds the two equal.
REGIONS: Final = frozenset(
    """
    AC AD AE AF AG AI AL AM AO AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL
    BM BN BO BQ BR BS BT BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW
    CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE
    GF GG GH GI GL GM GN GP GQ GR GT GU GW GY HK HN HR HT HU ID IE IL IM IN IO IQ
    IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT
    LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ
    NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PR PS PT PW PY
    QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY
    SZ TA TC TD TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG US UY UZ VA VC VE VG
    VI VN VU WF WS XK YE YT ZA ZM ZW
    """.split()  # noqa: SIM905 a line of codes is read, a line a code is not
)


def iso_region(text: str) -> str:
    """
    Return the region in capitals.

    Raises:
        ValueError: there is no such region; a sentence with remedy.
    """
    region = text.strip().upper()
    if region == "UK":
        problem = "the United Kingdom is GB in ISO 3166"
        raise ValueError(problem)
    if region not in REGIONS:
        problem = "must be a region of ISO 3166 in two letters, such as GB, DE or US"
        raise ValueError(problem)
    return region
