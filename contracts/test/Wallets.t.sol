// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {Deal, DealTest} from "./utils/DealTest.sol";
import {Encounter, History, IRecords, Phase, Terms} from "./utils/IDMLTest.sol";
import {Manner, Wallet} from "./utils/Wallet.sol";

/// @notice Contract wallets in every role, on every path; and what hostile ones can do, which is nothing.
contract WalletsTest is DealTest {
    Wallet private payer;
    Wallet private helper;
    Wallet private voter;
    mapping(address => address) private owners;

    function setUp() public override {
        super.setUp();
        payer = newWallet(learner);
        helper = newWallet(neighbor);
        voter = newWallet(validators[0]);
        setBudget(address(payer), REWARD, 8);
        setBudget(learner, REWARD, 8);
        // The committee is two keys and the wallet.
        for (uint256 i = 2; i < 5; ++i) {
            unstake(validators[i], STAKE);
        }
        unstake(validators[0], STAKE);
        unstake(learner, STAKE);
        unstake(neighbor, STAKE);
        newStaked("the second key");
        vm.warp(block.timestamp + 1);
    }

    function test_wallets_inEveryRole() public {
        Deal memory d = walletDeal(0, 7);
        bring(list(d));
        expectHistory(address(payer), History(1, 0, 0, 0, 0, 0, 0, 0));
        expectHistory(address(helper), History(0, 0, 1, 0, 1, 0, 0, 0));
        expectHistory(address(voter), History(0, 0, 0, 0, 0, 0, 1, 0));
    }

    function test_wallets_coSign() public {
        Deal[] memory deals = list(walletDeal(0, 7), walletDeal(1, 0));
        address[] memory parties = partiesOf(deals);
        bytes32[] memory words = pack(deals, parties);
        bytes32 digest = hashBatch(taskId, parties, words);
        bytes32[] memory signatures = new bytes32[](2 * parties.length);
        bytes[] memory ofWallets = new bytes[](parties.length);
        for (uint256 i; i < parties.length; ++i) {
            address owner = owners[parties[i]];
            if (owner == address(0)) {
                (signatures[2 * i], signatures[2 * i + 1]) = signShort(parties[i], digest);
            } else {
                signatures[2 * i + 1] = bytes32(i);
                ofWallets[i] = sign(owner, digest);
            }
        }
        helper.behave(Manner.Reverts);
        expect(IRecords.InvalidSignature.selector, address(helper));
        idml.settleCosigned(taskId, parties, words, signatures, ofWallets);
        helper.behave(Manner.Honest);
        idml.settleCosigned(taskId, parties, words, signatures, ofWallets);
        expectHistory(address(helper), History(0, 0, 2, 0, 1, 1, 0, 0));
    }

    function test_wallets_stepByStep() public {
        Deal memory d = walletDeal(0, 7);
        Encounter memory e = agreedOn(d.terms);
        idml.open(e.terms, 0, signFor(address(payer), e.id), signFor(address(helper), e.id));
        bytes32[] memory digests = digestsOf(d);
        begin(e, Phase.Open);
        idml.reportFor(e.progress, address(helper), RESULT, NEIGHBOR_SECRET, signFor(address(helper), digests[0]));
        afterNeighbor(e, RESULT);
        idml.reportFor(e.progress, address(payer), RESULT, LEARNER_SECRET, signFor(address(payer), digests[1]));
        afterLearner(e, RESULT);
        for (uint256 i; i < 3; ++i) {
            idml.voteFor(e.progress, d.committee[i], true, signFor(d.committee[i], digests[2 + i]));
            addBallot(e, d.committee[i], true);
        }
        expectHistory(address(payer), History(1, 0, 0, 0, 0, 0, 0, 0));
        assertEq(stateOf(e), FREE, "over");
    }

    /* HOSTILE */

    /// @dev Whatever a wallet answers but the one word, its encounter is skipped and the others are settled.
    function test_wallets_badAnswersStopNobodyElse() public {
        Manner[8] memory manners = [
            Manner.BurnsAllGas,
            Manner.ReturnsGarbage,
            Manner.ReturnsTooLittle,
            Manner.ReturnsTooMuch,
            Manner.ReturnsDirtyMagic,
            Manner.Reverts,
            Manner.RevertsWithMagic,
            Manner.DependsOnGas // The question is asked with a gas limit of its own, whatever the caller has.
        ];
        Deal[] memory deals = list(walletDeal(0, 7), plainDeal(0, 7));
        (bytes32[] memory signatures, bytes[] memory ofWallets) = signMixed(deals);
        address[] memory parties = partiesOf(deals);
        uint256 start = vm.snapshotState();
        for (uint256 i; i < manners.length; ++i) {
            helper.behave(manners[i]);
            vm.expectEmit(address(idml));
            emit IRecords.Skipped(0, IRecords.InvalidSignature.selector);
            vm.expectEmit(address(idml));
            emit IRecords.BatchSettled(taskId, false, 2, parties, pack(deals, parties));
            idml.settleBatch(taskId, parties, pack(deals, parties), signatures, ofWallets);
            expectHistory(address(helper), History(0, 0, 0, 0, 0, 0, 0, 0));
            vm.revertToState(start);
        }
    }

    function test_wallets_cannotBurnMoreThanTheirShare() public {
        Deal[] memory deals = list(walletDeal(0, 7), plainDeal(0, 7));
        (bytes32[] memory signatures, bytes[] memory ofWallets) = signMixed(deals);
        address[] memory parties = partiesOf(deals);
        bytes32[] memory words = pack(deals, parties);
        helper.behave(Manner.BurnsAllGas);
        uint256 before = gasleft();
        idml.settleBatch(taskId, parties, words, signatures, ofWallets);
        assertLe(before - gasleft(), 200_000 + 350_000, "gas");
    }

    /// @dev It is asked by a static call, so nothing that it does while it is asked changes anything.
    function test_wallets_cannotReenter() public {
        Deal[] memory deals = list(walletDeal(0, 7));
        (bytes32[] memory signatures, bytes[] memory ofWallets) = signMixed(deals);
        address[] memory parties = partiesOf(deals);
        bytes32[] memory words = pack(deals, parties);
        bytes[4] memory attacks = [
            abi.encodeCall(idml.stake, (1)),
            abi.encodeCall(idml.withdraw, (1)),
            abi.encodeCall(idml.setTarget, (0)),
            abi.encodeCall(idml.settleBatch, (taskId, parties, words, signatures, ofWallets))
        ];
        uint256 start = vm.snapshotState();
        idml.settleBatch(taskId, parties, words, signatures, ofWallets);
        bytes32 expected = digestOf(parties);
        for (uint256 i; i < attacks.length; ++i) {
            vm.revertToState(start);
            helper.aim(address(idml), attacks[i]);
            idml.settleBatch(taskId, parties, words, signatures, ofWallets);
            assertEq(digestOf(parties), expected, "the same as without");
        }
    }

    function test_wallets_anOwnerThatRevokesInTime() public {
        Deal[] memory deals = list(walletDeal(0, 7));
        (bytes32[] memory signatures, bytes[] memory ofWallets) = signMixed(deals);
        payer.behave(Manner.Reverts);
        address[] memory parties = partiesOf(deals);
        bytes32[] memory words = pack(deals, parties);
        expectNothing(IRecords.InvalidSignature.selector);
        idml.settleBatch(taskId, parties, words, signatures, ofWallets);
    }

    /// @dev The place of a wallet's signature must exist, and a key's owner cannot answer as a wallet.
    function test_wallets_revertOnAPlaceThatIsNotThere() public {
        Deal[] memory deals = list(walletDeal(0, 7));
        (bytes32[] memory signatures, bytes[] memory ofWallets) = signMixed(deals);
        address[] memory parties = partiesOf(deals);
        bytes32[] memory words = pack(deals, parties);
        bytes32 place = signatures[1];
        signatures[1] = bytes32(ofWallets.length);
        expectNothing(IRecords.InvalidSignature.selector);
        idml.settleBatch(taskId, parties, words, signatures, ofWallets);
        signatures[1] = bytes32(type(uint256).max);
        expectNothing(IRecords.InvalidSignature.selector);
        idml.settleBatch(taskId, parties, words, signatures, ofWallets);
        (signatures[0], signatures[1]) = (bytes32(uint256(1)), place);
        expectNothing(IRecords.InvalidSignature.selector);
        idml.settleBatch(taskId, parties, words, signatures, ofWallets);
    }

    /// @dev Alone, an encounter is settled only for keys.
    function test_wallets_notAlone() public {
        Deal memory d = walletDeal(0, 7);
        (bytes32[] memory signatures,) = signMixed(list(d));
        expectNothing(IRecords.InvalidSignature.selector);
        settle(d, signatures);
    }

    /// @dev Step by step a bad answer fails the call, and nothing else.
    function test_wallets_badAnswersOpenNothing() public {
        Deal memory d = walletDeal(0, 7);
        bytes memory ofPayer = signFor(address(payer), d.id);
        bytes memory ofHelper = signFor(address(helper), d.id);
        for (uint256 i = 1; i < 8; ++i) {
            if (Manner(i) == Manner.ReturnsTooMuch || Manner(i) == Manner.BurnsAllGas) continue;
            payer.behave(Manner(i));
            expect(IRecords.InvalidSignature.selector, address(payer));
            idml.open(d.terms, 0, ofPayer, ofHelper);
        }
        payer.behave(Manner.Honest);
        idml.open(d.terms, 0, ofPayer, ofHelper);
    }

    /* HELPERS */

    function newWallet(address owner) private returns (Wallet wallet) {
        wallet = new Wallet(owner);
        owners[address(wallet)] = owner;
        giveBalance(address(wallet), BALANCE + STAKE);
        vm.prank(address(wallet));
        idml.stake(STAKE);
    }

    function walletDeal(uint256 nonce, uint256 ballots) private view returns (Deal memory) {
        Terms memory agreed = terms();
        (agreed.learner, agreed.neighbor, agreed.nonce) = (address(payer), address(helper), uint64(nonce));
        return makeDeal(agreed, ballots);
    }

    /// @dev Nobody but keys: learner and the helper's owner, who is staked again.
    function plainDeal(uint256 nonce, uint256 ballots) private returns (Deal memory d) {
        address third = newStaked("a third key");
        newStaked("a fourth key");
        newStaked("a fifth key");
        newStaked("a sixth key");
        vm.warp(block.timestamp + 1);
        Terms memory agreed = terms();
        (agreed.neighbor, agreed.nonce) = (third, uint64(nonce));
        for (uint256 i;; ++i) {
            d = makeDeal(agreed, ballots, LEARNER_SECRET, bytes32(i << 128));
            if (
                !isIn(d.committee, address(voter)) && !isIn(d.committee, address(helper))
                    && !isIn(d.committee, address(payer))
            ) return d;
        }
    }

    function signFor(address who, bytes32 digest) private view returns (bytes memory) {
        return sign(owners[who] == address(0) ? who : owners[who], digest);
    }

    function signMixed(Deal[] memory deals)
        private
        view
        returns (bytes32[] memory signatures, bytes[] memory ofWallets)
    {
        signatures = new bytes32[](10 * deals.length);
        ofWallets = new bytes[](5 * deals.length);
        for (uint256 i; i < deals.length; ++i) {
            bytes32[] memory digests = digestsOf(deals[i]);
            address[] memory signers = signersOf(deals[i]);
            for (uint256 j; j < 5; ++j) {
                uint256 place = 5 * i + j;
                if (owners[signers[j]] == address(0)) {
                    (signatures[2 * place], signatures[2 * place + 1]) = signShort(signers[j], digests[j]);
                } else {
                    signatures[2 * place + 1] = bytes32(place);
                    ofWallets[place] = signFor(signers[j], digests[j]);
                }
            }
        }
    }

    function bring(Deal[] memory deals) private {
        (bytes32[] memory signatures, bytes[] memory ofWallets) = signMixed(deals);
        address[] memory parties = partiesOf(deals);
        idml.settleBatch(taskId, parties, pack(deals, parties), signatures, ofWallets);
    }

    function digestOf(address[] memory parties) private view returns (bytes32 digest) {
        for (uint256 i; i < parties.length; ++i) {
            digest = keccak256(abi.encode(digest, idml.account(parties[i]), idml.history(parties[i])));
        }
    }
}
