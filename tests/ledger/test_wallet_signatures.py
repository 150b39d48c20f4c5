"""Contract wallets (ERC-1271) take part like keys: as learner, neighbor and validator, in batches and step by step."""

from collections.abc import Callable
from typing import Any, cast

import pytest

from idml.ledger.errors import Reverted
from idml.ledger.interface import TxResult, idml_abi
from idml.ledger.wallet import Wallet
from idml.protocol.batch import PackedBatch, Voucher
from idml.protocol.encounter import Phase
from idml.protocol.events import BatchSettled
from idml.protocol.hashing import word
from idml.protocol.task import TOKEN_WEI

from .contract_wallet import ContractWallet

REWARD_WEI = 10 * TOKEN_WEI
BRINGER = 6  # the actor that sends, with no part in anything


class Party:
    """Three wallets with stakes, one of them with a budget, and who signs for whom."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver
        self.wallets = [self._create(Wallet.from_seed(31, index)) for index in range(3)]
        self.learner, self.neighbor, self.validator = self.wallets
        self.owners = {wallet.address: wallet.owner for wallet in self.wallets}
        driver.must("set_budget", self.learner, REWARD_WEI, 16)
        driver.warp(1)

    def _create(self, owner: Wallet) -> ContractWallet:
        driver = self.driver
        code = ContractWallet.creation(owner.address)
        (address,) = {ledger.create(owner.address, code) for ledger in driver.ledgers}
        wallet = ContractWallet(owner, address)
        for ledger in driver.ledgers:
            ledger.fund(owner.address, TOKEN_WEI)
        driver.must("buy", wallet, TOKEN_WEI // 10)
        driver.must("deposit", wallet, 1_000 * TOKEN_WEI)
        driver.must("stake", wallet, 200 * TOKEN_WEI)
        return wallet

    def sign(self, address: bytes, digest: bytes) -> bytes:
        """What the contract takes outside of batches: 65 bytes, from a key or from a wallet's owner."""
        return cast(bytes, (self.owners.get(address) or self.driver.wallets[address]).sign(digest))

    def voucher(self, nonce: int, ballots: int = 7) -> Voucher:
        terms = self.driver.terms(self.learner, self.neighbor, reward=REWARD_WEI, nonce=nonce)
        return cast(Voucher, self.driver.voucher(terms, ballots))

    def vouchers(self) -> list[Voucher]:
        """Those of all nonces with the third wallet in the committee."""
        found = [voucher for nonce in range(16) if self.validator.address in (voucher := self.voucher(nonce)).parties]
        assert len(found) > 1
        return found

    def bring(
        self, verb: str, *vouchers: Voucher, spoil: Callable[[bytes], bytes] = lambda signature: signature
    ) -> TxResult | Reverted:
        """A wallet's two words are zero and where its signature is among those of the wallets."""
        of_wallets: list[bytes] = []

        def sign(address: bytes, digest: bytes) -> bytes:
            signature = self.sign(address, digest)
            if address not in self.owners:
                return signature
            of_wallets.append(spoil(signature))
            return bytes(32) + word(len(of_wallets) - 1) + b"\x1b"

        packed = PackedBatch(vouchers)
        signatures = (packed.cosign if verb == "settle_cosigned" else packed.sign_each)(self.driver.ledger.domain, sign)
        sender = self.driver.actors[BRINGER]
        outcome = self.driver.do(verb, sender, packed.message, signatures, of_wallets)
        return cast("TxResult | Reverted", outcome)


@pytest.fixture
def party(driver: Any) -> Party:
    return Party(driver)


@pytest.mark.parametrize("verb", ["settle_batch", "settle_cosigned"])
def test_wallets_settle_in_every_role(party: Party, verb: str) -> None:
    vouchers = party.vouchers()[:2]
    outcome = party.bring(verb, *vouchers)
    assert isinstance(outcome, TxResult), outcome
    last = outcome.events[-1]
    assert isinstance(last, BatchSettled)
    assert last.settled == 0b11
    histories = [party.driver.ledger.history(wallet.address) for wallet in party.wallets]
    assert histories[0].completed_as_learner == 2
    assert (histories[1].completed_as_neighbor, histories[1].accepted) == (2, 2)
    assert histories[2].votes_with == 2
    for wallet in party.wallets:
        assert party.driver.ledger.account(wallet.address) == party.driver.mirror.account(wallet.address)
    party.driver.check()


@pytest.mark.parametrize("verb", ["settle_batch", "settle_cosigned"])
def test_what_a_wallets_owner_did_not_sign_settles_nothing(party: Party, verb: str) -> None:
    voucher = party.vouchers()[0]
    outcome = party.bring(
        verb, voucher, spoil=lambda signature: signature[:40] + bytes([signature[40] ^ 1]) + signature[41:]
    )
    assert isinstance(outcome, Reverted)
    if verb == "settle_batch":
        known = {entry.name: key for key, entry in idml_abi()._errors.items()}
        assert (outcome.name, outcome.arguments) == ("NothingSettled", {"reason": known["InvalidSignature"]})
    else:
        first = min(party.owners)  # the parties are asked in ascending order
        assert (outcome.name, outcome.arguments) == ("InvalidSignature", {"signer": first})
    assert party.driver.ledger.history(party.learner.address).completed_as_learner == 0
    party.driver.check()


def test_wallets_play_step_by_step(party: Party) -> None:
    driver, voucher = party.driver, party.vouchers()[0]
    domain, sender, terms = driver.ledger.domain, driver.actors[BRINGER], voucher.terms
    encounter = domain.digest(terms)
    driver.must("open", sender, terms, *(party.sign(who, encounter) for who in (terms.learner, terms.neighbor)))
    for report in voucher.reports(domain):
        signature = party.sign(report.reporter, domain.digest(report))
        progress = driver.at(encounter).progress
        driver.must("report", sender, progress, report.reporter, report.result, report.secret, signature)
    assert driver.at(encounter).progress.phase is Phase.VALIDATING
    for vote in voucher.signed_votes(domain):
        progress = driver.at(encounter).progress
        driver.must(
            "vote", sender, progress, vote.validator, vote.accept, party.sign(vote.validator, domain.digest(vote))
        )
    assert driver.ledger.history(party.learner.address).completed_as_learner == 1
    driver.check()
