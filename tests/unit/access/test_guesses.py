"""Wrong secrets are counted by address, in bounded memory."""

from __future__ import annotations

import pytest

from server.access.guesses import (
    KNOWN_ADDRESSES,
    KNOWN_PROOFS,
    MOST_WRONG,
    WINDOW_SECONDS,
    Guesses,
    TooManyGuesses,
)
from server.core.addresses import client_network


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def guess(guesses: Guesses, address: str, times: int = MOST_WRONG) -> list[bool]:
    return [guesses.add(address, "wrong") for _ in range(times)]


def test_after_ten_in_a_minute_there_is_no_answer_until_the_first_is_a_minute_old() -> None:
    clock = Clock()
    guesses = Guesses(clock)
    for number in range(MOST_WRONG):
        assert guesses.add("10.0.0.1", "wrong") is (number == MOST_WRONG - 1)
        clock.now += 1
    with pytest.raises(TooManyGuesses) as caught:
        guesses.add("10.0.0.1", "wrong")
    assert caught.value.retry_seconds == WINDOW_SECONDS - MOST_WRONG
    clock.now += caught.value.retry_seconds
    guesses.add("10.0.0.1", "wrong")
    with pytest.raises(TooManyGuesses):  # nine others are still less than a minute old
        guesses.check("10.0.0.1")


def test_slow_mistakes_are_never_too_many() -> None:
    clock = Clock()
    guesses = Guesses(clock)
    for _ in range(100):
        guesses.add("10.0.0.1", "wrong")
        clock.now += WINDOW_SECONDS / (MOST_WRONG - 1)


def test_other_addresses_are_not_affected_but_those_of_one_network_are() -> None:
    guesses = Guesses(Clock())
    guess(guesses, "2001:db8:1:2::1")
    guesses.check("2001:db8:1:3::1")
    guesses.check("10.0.0.1")
    with pytest.raises(TooManyGuesses):
        guesses.check("2001:db8:1:2:ffff::9")


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_a_client_is_an_address_or_an_ipv6_network(address: str, network: str) -> None:
    assert client_network(address) == network


def test_guesses_from_a_hundred_thousand_addresses_are_forgotten_oldest_first() -> None:
    guesses = Guesses(Clock())
    guess(guesses, "10.0.0.1")
    for number in range(100_000):
        guesses.add(f"11.{number >> 16}.{number >> 8 & 255}.{number & 255}", "wrong")
        guesses.check_right(f"12.{number >> 16}.{number >> 8 & 255}.{number & 255}", "d")
    assert len(guesses._wrong) == KNOWN_ADDRESSES
    assert len(guesses._proved) == KNOWN_PROOFS
    guesses.check("10.0.0.1")


def test_a_secret_that_came_before_the_guesses_is_still_served() -> None:
    guesses = Guesses(Clock())
    guesses.check_right("10.0.0.1", "known")
    guess(guesses, "10.0.0.1")
    guesses.check_right("10.0.0.1", "known")
    with pytest.raises(TooManyGuesses):
        guesses.check_right("10.0.0.1", "guessed")
    guesses.check_right("10.0.0.2", "guessed")


def test_a_secret_that_was_sent_before_it_was_right_is_no_guess() -> None:
    guesses = Guesses(Clock())
    guess(guesses, "10.0.0.1")
    guesses.check_right("10.0.0.1", "wrong")
