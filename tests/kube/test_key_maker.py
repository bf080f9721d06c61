"""Keys for certificates: what takes long to make is made beside the event loop, and used once."""

import asyncio
import threading

import pytest

from iotsec.kube.key_maker import KeyMaker, KeyNotMadeError
from iotsec.x509.keys import KeyType, PrivateKey, generate

RSA = KeyType("RSA", 2048)


@pytest.mark.parametrize("key_type", [KeyType("ECDSA", 256), KeyType("ECDSA", 384), KeyType("Ed25519", 0)], ids=str)
def test_a_key_that_is_quick_to_make_is_there_at_once(key_type: KeyType) -> None:
    assert KeyMaker(generate)(key_type).key_type == key_type


async def test_an_rsa_key_is_made_in_a_thread_and_given_out_once() -> None:
    threads: list[threading.Thread] = []

    def make(key_type: KeyType) -> PrivateKey:
        threads.append(threading.current_thread())
        return generate(key_type)

    keys = KeyMaker(make)
    with pytest.raises(KeyNotMadeError) as missing:
        keys(RSA)

    await keys.prepare(missing.value.key_type)

    assert keys(RSA).key_type == RSA
    assert threading.current_thread() not in threads
    with pytest.raises(KeyNotMadeError):
        keys(RSA)


async def test_two_who_wait_for_a_key_get_two() -> None:
    keys = KeyMaker(generate)

    await asyncio.gather(keys.prepare(RSA), keys.prepare(RSA))

    assert keys(RSA) != keys(RSA)
