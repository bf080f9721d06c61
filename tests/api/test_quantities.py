"""Sizes are read as Kubernetes reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iotsec.api.quantities import format_quantity, parse_quantity

TEXTS = st.builds("{}{}".format, st.integers(1, 10**9 - 1), st.sampled_from(["", "k", "Ki", "M", "Mi", "G", "Gi"]))
TEXTS |= st.builds("{}{}".format, st.integers(1, 10**6 - 1), st.sampled_from(["T", "Ti"]))


@pytest.mark.parametrize(
    ("text", "size"),
    [("512", 512), ("1k", 1000), ("64Ki", 65536), ("10Gi", 10 * 2**30), ("2T", 2 * 10**12), ("999999999", 999_999_999)],
)
def test_a_size_is_its_number_of_units(text: str, size: int) -> None:
    assert parse_quantity(text) == size


@pytest.mark.parametrize(
    ("size", "text"), [(1024, "1Ki"), (1000, "1k"), (1536, "1536"), (2**40, "1Ti"), (2 * 10**12, "2T")]
)
def test_a_size_is_written_in_the_largest_unit_that_divides_it(size: int, text: str) -> None:
    assert format_quantity(size) == text


@given(TEXTS)
def test_what_is_read_is_written_as_the_same_size(text: str) -> None:
    size = parse_quantity(text)
    assert parse_quantity(format_quantity(size)) == size


@given(TEXTS)
def test_every_size_fits_the_limits_of_a_server(text: str) -> None:
    assert 1 <= parse_quantity(text) < 2**63


@given(st.text(alphabet="0123456789kKMGTiB.- \n", max_size=12))
def test_any_text_is_a_size_or_is_refused(text: str) -> None:
    try:
        size = parse_quantity(text)
    except ValueError as error:
        assert "write a size" in str(error)  # noqa: PT017 -- most texts are refused, some are not
    else:
        assert size >= 1
