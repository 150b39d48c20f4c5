// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {Deal, DealTest} from "./utils/DealTest.sol";
import {Account, History, IRecords, TaskParams, Terms} from "./utils/IDMLTest.sol";

contract SettleBatchTest is DealTest {
    function setUp() public override {
        super.setUp();
        setBudget(learner, REWARD, 8);
        setBudget(neighbor, REWARD, 8);
    }

    function test_settleBatch() public {
        Deal[] memory deals = list(dealOf(0, 7), dealOf(1, 2));
        address[] memory parties = partiesOf(deals);
        bytes32[] memory signatures = signAll(deals);
        vm.expectEmit(address(idml));
        emit IRecords.BatchSettled(taskId, false, 3, parties, pack(deals, parties));
        settleBatch(deals, signatures);
        assertEq(idml.account(learner).nonceBase, 2, "nonce base");
        expectHistory(learner, History(2, 0, 0, 0, 0, 0, 0, 0));
        expectHistory(neighbor, History(0, 0, 2, 0, 1, 1, 0, 0));
    }

    /// @dev Whoever is learner, neighbor and voter in turn: as if each encounter had been settled alone.
    function testFuzz_settleBatch_isItsEncountersOneByOne(uint256 random) public {
        uint256 count = 2 + random % 5;
        Deal[] memory deals = new Deal[](count);
        address[2] memory payers = [learner, neighbor];
        uint64[2] memory nonces;
        for (uint256 i; i < count; ++i) {
            uint256 dice = uint256(keccak256(abi.encode(random, i)));
            Terms memory agreed = terms();
            uint256 payer = dice % 2;
            agreed.learner = payers[payer];
            agreed.neighbor = dice >> 8 & 1 == 0 ? payers[1 - payer] : validators[(dice >> 16) % 5];
            (agreed.nonce, agreed.reward) = (nonces[payer]++, uint96(bound(dice >> 32, 0, REWARD)));
            deals[i] = makeDeal(agreed, dice >> 160 & 7, bytes32(dice << 128), bytes32(~dice << 128));
        }
        for (uint256 i; i < 5; ++i) {
            if (random >> (8 + i) & 1 == 1) setTarget(validators[i], STAKE);
        }
        uint256 start = vm.snapshotState();
        for (uint256 i; i < count; ++i) {
            settle(deals[i]);
        }
        bytes32 expected = everything();
        vm.revertToState(start);
        settleBatch(deals);
        assertEq(everything(), expected, "in a batch");
        vm.revertToState(start);
        settleCosigned(deals);
        assertEq(everything(), expected, "co-signed");
    }

    /* WHAT FAILS IS SKIPPED */

    function test_settleBatch_skipsWhatFails() public {
        Deal[] memory deals = new Deal[](3);
        (deals[0], deals[1], deals[2]) = (dealOf(0, 7), dealOf(1, 7), dealOf(2, 7));
        bytes32[] memory signatures = signAll(deals);
        signatures[10] = 0;
        address[] memory parties = partiesOf(deals);
        vm.expectEmit(address(idml));
        emit IRecords.Skipped(1, IRecords.InvalidSignature.selector);
        vm.expectEmit(address(idml));
        emit IRecords.BatchSettled(taskId, false, 5, parties, pack(deals, parties));
        settleBatch(deals, signatures);
        Account memory a = idml.account(learner);
        assertEq(a.nonceBase, 1, "nonce base");
        assertEq(a.nonceWindow, 2, "nonce 2 is used, nonce 1 is not");
    }

    function test_settleBatch_twiceTheSameIsSettledOnce() public {
        Deal[] memory deals = list(dealOf(0, 7), dealOf(0, 7));
        bytes32[] memory signatures = signAll(deals);
        vm.expectEmit(address(idml));
        emit IRecords.Skipped(1, IRecords.NonceOutOfWindow.selector);
        settleBatch(deals, signatures);
        expectHistory(neighbor, History(0, 0, 1, 0, 1, 0, 0, 0));
    }

    function test_settleBatch_oneNonceTwice() public {
        Deal[] memory deals = new Deal[](3);
        (deals[0], deals[1], deals[2]) = (dealOf(3, 7), dealOf(3, 0), dealOf(4, 7));
        bytes32[] memory signatures = signAll(deals);
        vm.expectEmit(address(idml));
        emit IRecords.Skipped(1, IRecords.NonceUsed.selector);
        settleBatch(deals, signatures);
    }

    function test_settleBatch_whatOneCannotPayDoesNotStopTheOthers() public {
        unstake(validators[0], STAKE);
        vm.warp(block.timestamp + DELAY);
        vm.prank(validators[0]);
        idml.completeUnstake();
        Deal[] memory deals = list(dealOf(0, 7), dealOf(1, 7));
        Terms memory agreed = deals[0].terms;
        agreed.neighbor = validators[0];
        deals[0] = makeDeal(agreed, 7);
        bytes32[] memory signatures = signAll(deals);
        vm.expectEmit(address(idml));
        emit IRecords.Skipped(0, IRecords.InsufficientStake.selector);
        settleBatch(deals, signatures);
    }

    /// @dev They neither count nor stop the batch.
    function test_settleBatch_bitsBeyondTheVotersAreNobodys() public {
        unstake(validators[0], STAKE);
        vm.warp(block.timestamp + DELAY);
        vm.prank(validators[0]);
        idml.completeUnstake();
        Terms memory agreed = terms();
        agreed.neighbor = validators[0];
        Deal memory short = makeDeal(agreed, 7);
        agreed = terms();
        agreed.nonce = 1;
        Deal[] memory deals = list(short, makeDeal(agreed, 7));
        bytes32[] memory signatures = signAll(deals);
        deals[0].ballots |= 0xf8;
        vm.expectEmit(address(idml));
        emit IRecords.Skipped(0, IRecords.InsufficientStake.selector);
        settleBatch(deals, signatures);
    }

    /// @dev The reason is that of the first.
    function test_settleBatch_revertsIfAllFail() public {
        Deal[] memory deals = list(dealOf(8, 7), dealOf(1, 7));
        bytes32[] memory signatures = signAll(deals);
        signatures[10] = 0;
        expectNothing(IRecords.NonceOutOfWindow.selector);
        this.bring(deals, signatures);
    }

    function test_settleBatch_everyFault() public {
        Deal memory d = dealOf(0, 7);
        d.terms.neighbor = learner;
        skips(d, IRecords.SelfDealing.selector);
        d = dealOf(0, 7);
        d.terms.asOf += 1;
        skips(d, IRecords.InvalidAsOf.selector);
        d = dealOf(0, 7);
        d.terms.deadline += 1;
        skips(d, IRecords.InvalidAsOf.selector);
        d = dealOf(0, 7);
        d.terms.seats += 1;
        skips(d, IRecords.InvalidSeats.selector);
        skips(dealOf(8, 7), IRecords.NonceOutOfWindow.selector);
        d = dealOf(0, 7);
        d.terms.reward = uint96(roundUp(REWARD) + 1);
        skips(d, IRecords.RewardAboveBudget.selector);
        d = dealOf(0, 7);
        (d.committee[0], d.committee[1]) = (d.committee[1], d.committee[0]);
        skips(d, IRecords.NotInCommittee.selector);
        d = dealOf(0, 7);
        d.result = OTHER_RESULT;
        skips(d, IRecords.InvalidSignature.selector);
        vm.warp(block.timestamp + COMPLETION + VOTING + 1);
        d = dealOf(0, 7);
        d.terms.asOf -= uint40(COMPLETION + VOTING + 1);
        d.terms.deadline -= uint40(COMPLETION + VOTING + 1);
        skips(d, IRecords.DeadlinePassed.selector);
    }

    function test_settleBatch_shortCommittee() public {
        for (uint256 i; i < 3; ++i) {
            unstake(validators[i], STAKE);
        }
        vm.warp(block.timestamp + 1);
        Deal memory d = dealOf(0, 3);
        expectNothing(IRecords.CommitteeShort.selector);
        this.bringUnsigned(d);
    }

    /* WHO VOTES */

    /// @dev V of K are needed, and exactly the first V in their order.
    function test_settleBatch_needsTheFirstMembers() public {
        TaskParams memory p = params();
        p.committeeSize = 5;
        taskId = idml.createTask(p);
        Deal memory d = dealOf(0, 7);
        address[] memory all = idml.committeeOf(d.terms, d.seed);
        for (uint256 a; a < 5; ++a) {
            for (uint256 b; b < 5; ++b) {
                for (uint256 c; c < 5; ++c) {
                    if (a == 0 && b == 1 && c == 2) continue;
                    (d.committee[0], d.committee[1], d.committee[2]) = (all[a], all[b], all[c]);
                    expectNothing(IRecords.NotInCommittee.selector);
                    this.bringUnsigned(d);
                }
            }
        }
        (d.committee[0], d.committee[1], d.committee[2]) = (all[0], all[1], all[2]);
        settleBatch(list(d));
    }

    /* FORM */

    function test_settleBatch_revertsUnlessPartiesAscend() public {
        Deal[] memory deals = list(dealOf(0, 7));
        address[] memory parties = partiesOf(deals);
        (bytes32[] memory words, bytes32[] memory signatures) = (pack(deals, parties), signAll(deals));
        address first = parties[0];
        parties[0] = parties[1];
        failsAt(1, parties, words, signatures);
        parties[0] = address(0);
        failsAt(0, parties, words, signatures);
        parties[0] = first;
        (parties[3], parties[4]) = (parties[4], parties[3]);
        failsAt(4, parties, words, signatures);
    }

    /// @dev What has something above its 160 bits is no address.
    function test_settleBatch_revertsOnMoreThanAnAddress() public {
        Deal[] memory deals = list(dealOf(0, 7));
        address[] memory parties = partiesOf(deals);
        bytes[] memory none = new bytes[](0);
        bytes memory data =
            abi.encodeCall(idml.settleBatch, (taskId, parties, pack(deals, parties), signAll(deals), none));
        for (uint256 i; i < parties.length; ++i) {
            uint256 place = 4 + 32 * (6 + i) + 11; // The last byte before the address.
            data[place] = 0x01;
            (bool success, bytes memory answer) = address(idml).call(data);
            assertTrue(!success, "settled");
            bytes memory expected = abi.encodeWithSelector(IRecords.PartiesUnordered.selector, i);
            assertEq(keccak256(answer), keccak256(expected), "error");
            data[place] = 0;
        }
        (bool settled,) = address(idml).call(data);
        assertTrue(settled, "as it was");
    }

    function test_settleBatch_revertsForTooManyParties() public {
        address[] memory parties = new address[](257);
        for (uint256 i; i < 257; ++i) {
            parties[i] = address(uint160(i + 1));
        }
        failsAt(256, parties, new bytes32[](5), new bytes32[](10));
    }

    function test_settleBatch_revertsWhenMalformed() public {
        malformed(0, 0);
        malformed(4, 10);
        malformed(6, 10);
        malformed(5, 8);
        malformed(5, 9);
        malformed(5, 11);
        malformed(10, 10);
        malformed(wordsOf(257, 3), 257 * 10);
    }

    function test_settleBatch_revertsOnAnIndexThatIsNotThere() public {
        Deal[] memory deals = list(dealOf(0, 7));
        address[] memory parties = partiesOf(deals);
        bytes32[] memory words = pack(deals, parties);
        bytes32[] memory signatures = signAll(deals);
        words[0] |= bytes32(uint256(0xff));
        vm.expectRevert(abi.encodeWithSignature("Panic(uint256)", uint256(0x32)));
        idml.settleBatch(taskId, parties, words, signatures, noWallets);
        words = pack(deals, parties);
        words[4] |= bytes32(uint256(0xff) << 248);
        expectNothing(IRecords.NotInCommittee.selector);
        idml.settleBatch(taskId, parties, words, signatures, noWallets);
    }

    function test_settleBatch_revertsWhereThereIsNoCommittee() public {
        bytes32 task = openTask();
        expect(IRecords.NoCommittee.selector, task);
        idml.settleBatch(task, new address[](0), new bytes32[](5), new bytes32[](10), noWallets);
        expect(IRecords.UnknownTask.selector, RESULT);
        idml.settleBatch(RESULT, new address[](0), new bytes32[](5), new bytes32[](10), noWallets);
    }

    /* HELPERS */

    function dealOf(uint256 nonce, uint256 ballots) private view returns (Deal memory) {
        Terms memory agreed = terms();
        agreed.nonce = uint64(nonce);
        return makeDeal(agreed, ballots);
    }

    /// @dev A deal that is faulty as it stands comes second; the first is settled, then all is undone.
    function skips(Deal memory d, bytes4 reason) private {
        Deal[] memory deals = list(dealOf(1, 7), d);
        bytes32[] memory signatures = signAll(deals);
        if (reason == IRecords.InvalidSignature.selector) signatures[19] ^= bytes32(uint256(1));
        uint256 start = vm.snapshotState();
        vm.expectEmit(address(idml));
        emit IRecords.Skipped(1, reason);
        settleBatch(deals, signatures);
        vm.revertToState(start);
    }

    function bringUnsigned(Deal memory d) external {
        settleBatch(list(d), new bytes32[](10));
    }

    function bring(Deal[] memory deals, bytes32[] memory signatures) external {
        settleBatch(deals, signatures);
    }

    function failsAt(uint256 index, address[] memory parties, bytes32[] memory words, bytes32[] memory signatures)
        private
    {
        vm.expectRevert(abi.encodeWithSelector(IRecords.PartiesUnordered.selector, index));
        idml.settleBatch(taskId, parties, words, signatures, noWallets);
    }

    function malformed(uint256 words, uint256 signatures) private {
        vm.expectRevert(abi.encodeWithSelector(IRecords.BatchMalformed.selector, words, signatures));
        idml.settleBatch(taskId, new address[](0), new bytes32[](words), new bytes32[](signatures), noWallets);
    }

    /// @dev All accounts and histories, account 0 included.
    function everything() private view returns (bytes32 digest) {
        digest = keccak256(abi.encode(idml.account(address(0))));
        for (uint256 i; i < 7; ++i) {
            address who = i < 5 ? validators[i] : i == 5 ? learner : neighbor;
            digest = keccak256(abi.encode(digest, idml.account(who), idml.history(who)));
        }
    }
}
