// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {Deal, DealTest} from "./utils/DealTest.sol";
import {Account, Encounter, History, IIDML, IRecords, TaskParams, Terms} from "./utils/IDMLTest.sol";

contract SettleTest is DealTest {
    uint256 private constant ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
    uint256 private constant NONCES = 4;

    function setUp() public override {
        super.setUp();
        setBudget(learner, REWARD, NONCES);
    }

    function test_settle() public {
        Deal memory d = makeDeal(7);
        bytes32[] memory signatures = signAll(d);
        vm.expectEmit(address(idml));
        emit IRecords.VoucherSettled(taskId, learner, neighbor, pack(d));
        settle(d, signatures);
        uint256 share = uint256(2e18) / 3;
        expectMoney(learner, BALANCE - REWARD + 2e18 - 3 * share, STAKE);
        expectMoney(neighbor, BALANCE + 8e18, STAKE);
        for (uint256 i; i < 3; ++i) {
            expectMoney(d.committee[i], BALANCE + share, STAKE);
            expectHistory(d.committee[i], History(0, 0, 0, 0, 0, 0, 1, 0));
        }
        expectHistory(learner, History(1, 0, 0, 0, 0, 0, 0, 0));
        expectHistory(neighbor, History(0, 0, 1, 0, 1, 0, 0, 0));
        assertEq(idml.account(learner).nonceBase, 1, "nonce base");
    }

    function test_settle_case3() public {
        Deal memory d = makeDeal(0);
        settle(d);
        uint256 share = uint256(4e18) / 3;
        expectMoney(learner, BALANCE + 4e18 - 3 * share, STAKE);
        expectMoney(neighbor, BALANCE, STAKE - REWARD);
        expectMoney(d.committee[2], BALANCE + share, STAKE);
        expectMoney(address(0), 6e18, 0);
        expectHistory(neighbor, History(0, 0, 1, 0, 0, 1, 0, 0));
    }

    function test_settle_case4() public {
        Deal memory d = makeDeal(5);
        settle(d);
        uint256 penalty = uint256(2e18) / 3;
        uint256 share = (2e18 + penalty) / 2;
        expectMoney(learner, BALANCE - REWARD + 2e18 + penalty - 2 * share, STAKE);
        expectMoney(d.committee[1], BALANCE, STAKE - penalty);
        expectMoney(d.committee[2], BALANCE + share, STAKE);
        expectHistory(d.committee[1], History(0, 0, 0, 0, 0, 0, 0, 1));
    }

    function test_settle_case5() public {
        Deal memory d = makeDeal(2);
        settle(d);
        uint256 penalty = uint256(4e18) / 3;
        uint256 share = (4e18 + penalty) / 2;
        expectMoney(learner, BALANCE + 4e18 + penalty - 2 * share, STAKE);
        expectMoney(neighbor, BALANCE, STAKE - REWARD);
        expectMoney(d.committee[1], BALANCE, STAKE - penalty);
        expectMoney(address(0), 6e18, 0);
    }

    /* FAULTS */

    function test_settle_revertsWithOneself() public {
        Terms memory agreed = terms();
        agreed.neighbor = learner;
        fails(makeDeal(agreed, 7), IRecords.SelfDealing.selector);
    }

    function test_settle_revertsForAddressZero() public {
        Terms memory agreed = terms();
        agreed.neighbor = address(0);
        fails(makeDeal(agreed, 7), IRecords.InvalidSignature.selector);
        agreed = terms();
        agreed.learner = address(0);
        fails(makeDeal(agreed, 7), IRecords.NonceOutOfWindow.selector);
    }

    function test_settle_diesOneVotingWindowAfterTheDeadline() public {
        Deal memory d = makeDeal(7);
        vm.warp(d.terms.deadline + VOTING + 1);
        fails(d, IRecords.DeadlinePassed.selector);
        vm.warp(d.terms.deadline + VOTING);
        settle(d);
    }

    /// @dev Opened before it dies, it goes on step by step.
    function test_settle_openedBeforeItDies() public {
        Deal memory d = makeDeal(7);
        vm.warp(d.terms.deadline);
        Encounter memory e = opened(d.terms);
        fails(d, IRecords.NonceOutOfWindow.selector);
        reportBoth(e);
        assertEq(keccak256(abi.encode(e.progress.committee)), keccak256(abi.encode(d.committee)), "same committee");
        for (uint256 i; i < 3; ++i) {
            vote(e, d.committee[i], true);
        }
        expectMoney(neighbor, BALANCE + 8e18, STAKE);
    }

    function test_settle_revertsOnAnAsOfInTheFuture() public {
        Terms memory agreed = terms();
        agreed.asOf += 1;
        fails(makeDeal(agreed, 7), IRecords.InvalidAsOf.selector);
    }

    function test_settle_revertsOnAnAsOfTooFarBeforeTheDeadline() public {
        Terms memory agreed = terms();
        agreed.deadline += 1;
        fails(makeDeal(agreed, 7), IRecords.InvalidAsOf.selector);
    }

    function test_settle_revertsOnSeatsThatNeverWere() public {
        Terms memory agreed = terms();
        agreed.seats = 8;
        fails(makeDeal(agreed, 7), IRecords.InvalidSeats.selector);
        agreed.seats = 6;
        fails(makeDeal(agreed, 7), IRecords.InvalidSeats.selector);
    }

    function test_settle_noncesOfTheBudget() public {
        failsWithNonce(NONCES, IRecords.NonceOutOfWindow.selector);
        failsWithNonce(type(uint32).max, IRecords.NonceOutOfWindow.selector);
        settleNonce(NONCES - 1);
        failsWithNonce(NONCES - 1, IRecords.NonceUsed.selector);
        settleNonce(0);
        failsWithNonce(0, IRecords.NonceOutOfWindow.selector);
        settleNonce(NONCES); // The window moved on by one.
    }

    function test_settle_revertsWithoutABudget() public {
        Terms memory agreed = terms();
        (agreed.learner, agreed.neighbor) = (neighbor, learner);
        fails(makeDeal(agreed, 7), IRecords.NonceOutOfWindow.selector);
    }

    function test_settle_revertsAboveTheBudget() public {
        Terms memory agreed = terms();
        agreed.reward = uint96(roundUp(REWARD) + 1);
        fails(makeDeal(agreed, 7), IRecords.RewardAboveBudget.selector);
        agreed.reward -= 1;
        settle(makeDeal(agreed, 7));
    }

    function test_settle_revertsOnAShortCommittee() public {
        for (uint256 i; i < 3; ++i) {
            unstake(validators[i], STAKE);
        }
        vm.warp(block.timestamp + 1);
        Deal memory d = makeDeal(3);
        assertEq(d.committee.length, 2, "members");
        fails(d, IRecords.CommitteeShort.selector);
    }

    function test_settle_revertsWhereThereIsNoCommittee() public {
        bytes32 task = openTask();
        Deal memory d = makeDeal(7);
        bytes32[] memory signatures = signAll(d);
        expect(IRecords.NoCommittee.selector, task);
        idml.settle(task, learner, neighbor, pack(d), signatures);
        expect(IRecords.UnknownTask.selector, RESULT);
        idml.settle(RESULT, learner, neighbor, pack(d), signatures);
    }

    function test_settle_revertsOnAnotherNumberOfSignatures() public {
        Deal memory d = makeDeal(7);
        for (uint256 count = 8; count <= 12; count += 1) {
            if (count == 10) continue;
            vm.expectRevert(abi.encodeWithSelector(IRecords.BatchMalformed.selector, 4, count));
            settle(d, new bytes32[](count));
        }
    }

    /* WHO VOTES */

    /// @dev Of five members the first three, so that nobody picks the votes it likes.
    function test_settle_needsTheFirstMembers() public {
        TaskParams memory p = params();
        p.committeeSize = 5;
        taskId = idml.createTask(p);
        Deal memory d = makeDeal(7);
        address[] memory all = idml.committeeOf(d.terms, d.seed);
        assertEq(all.length, 5, "members");
        for (uint256 i; i < 3; ++i) {
            for (uint256 other; other < 5; ++other) {
                if (other == i) continue;
                d.committee[i] = all[other];
                fails(d, IRecords.InvalidSignature.selector);
            }
            d.committee[i] = all[i];
        }
        settle(d);
    }

    /* SIGNATURES */

    function test_settle_needsEverySignature() public {
        Deal memory d = makeDeal(5);
        bytes32[] memory good = signAll(d);
        for (uint256 i; i < 5; ++i) {
            bytes32[] memory bad = signAll(d);
            (bad[2 * i], bad[2 * i + 1]) = (0, 0);
            failsWith(d, bad);
            uint256 other = (i + 1) % 5;
            (bad[2 * i], bad[2 * i + 1]) = (good[2 * other], good[2 * other + 1]);
            failsWith(d, bad);
        }
        settle(d, good);
    }

    /// @dev Whichever bit is turned.
    function testFuzz_settle_everySignatureBitCounts(uint256 bit) public {
        Deal memory d = makeDeal(5);
        bytes32[] memory signatures = signAll(d);
        bit = bound(bit, 0, 256 * signatures.length - 1);
        signatures[bit / 256] ^= bytes32(1 << (bit % 256));
        failsWith(d, signatures);
    }

    /// @dev Whichever bit of what was signed is turned, it does not settle; only indices are not read, and a vote's bit
    /// beyond the V-th is nobody's vote.
    function testFuzz_settle_everyBitIsSigned(uint256 bit) public {
        Deal memory d = makeDeal(5);
        bytes32[] memory signatures = signAll(d);
        bytes32[4] memory words = pack(d);
        bit = bound(bit, 16, 4 * 256 - 1);
        vm.assume(bit < 240 + 3 || bit >= 256);
        words[bit / 256] ^= bytes32(1 << (bit % 256));
        (bool ok,) = address(idml).call(abi.encodeCall(idml.settle, (taskId, learner, neighbor, words, signatures)));
        assertTrue(!ok, "settled something else");
    }

    /// @dev The other signature that belongs to every signature.
    function test_settle_revertsOnAMalleableSignature() public {
        Deal memory d = makeDeal(5);
        for (uint256 i; i < 5; ++i) {
            bytes32[] memory signatures = signAll(d);
            uint256 vs = uint256(signatures[2 * i + 1]);
            uint256 s = ORDER - (vs << 1 >> 1);
            signatures[2 * i + 1] = bytes32(s); // s is above half the order and has no room beside the parity.
            failsWith(d, signatures);
            signatures[2 * i + 1] = bytes32(s << 1 >> 1 | (~vs >> 255 << 255));
            failsWith(d, signatures);
        }
    }

    function test_settle_revertsOnSignaturesOfAnotherEncounter() public {
        Terms memory other = terms();
        other.nonce = 1;
        failsWith(makeDeal(5), signAll(makeDeal(other, 5)));
    }

    function test_settle_revertsOnSignaturesForAnotherContract() public {
        Deal memory d = makeDeal(5);
        IIDML here = idml;
        idml = IIDML(vm.deployCode("IDML.sol:IDML", abi.encode(token, THRESHOLD, DELAY)));
        d.id = idml.hashTerms(d.terms);
        bytes32[] memory signatures = new bytes32[](10);
        bytes32[] memory digests = digestsOf(d);
        address[] memory signers = signersOf(d);
        for (uint256 i; i < 5; ++i) {
            (signatures[2 * i], signatures[2 * i + 1]) = signShort(signers[i], digests[i]);
        }
        idml = here;
        failsWith(d, signatures);
    }

    function test_settle_revertsOnSignaturesForAnotherChain() public {
        uint256 here = block.chainid;
        vm.chainId(here + 1);
        Deal memory d = makeDeal(5);
        bytes32[] memory signatures = signAll(d);
        vm.chainId(here);
        failsWith(d, signatures);
        vm.chainId(here + 1);
        settle(d, signatures);
    }

    function test_settle_revertsTheSecondTime() public {
        Deal memory d = makeDeal(7);
        settle(d);
        fails(d, IRecords.NonceOutOfWindow.selector);
    }

    function test_settle_cannotBeOpenedAfterwards() public {
        Deal memory d = makeDeal(7);
        settle(d);
        (bytes memory a, bytes memory b) = (sign(learner, d.id), sign(neighbor, d.id));
        expect(IRecords.NonceOutOfWindow.selector, learner, 0, 1);
        idml.open(d.terms, 0, a, b);
    }

    /* WHO LOSES MORE THAN IT HAS */

    function test_settle_takesWhatIsUnbonding() public {
        Deal memory d = makeDeal(0);
        unstake(neighbor, STAKE - 4e18);
        settle(d);
        Account memory a = idml.account(neighbor);
        assertEq(a.stake, 0, "stake");
        assertEq(a.unbonding, STAKE - REWARD, "unbonding");
        expectMoney(address(0), 6e18, 0);
    }

    /// @dev Leaving at once does not help: the voucher is dead before the stake is free.
    function test_settle_aLoserThatLeavesFirstStillPays() public {
        Deal memory d = makeDeal(2);
        unstake(neighbor, STAKE);
        unstake(d.committee[1], STAKE);
        vm.warp(d.terms.deadline + VOTING);
        settle(d);
        assertEq(idml.account(neighbor).unbonding, STAKE - REWARD, "neighbor");
        uint256 penalty = uint256(4e18) / 3;
        assertEq(idml.account(d.committee[1]).unbonding, STAKE - penalty, "voter");
        expectMoney(learner, BALANCE + (4e18 + penalty) % 2, STAKE);
    }

    /// @dev What is locked for another encounter is not taken; the pot shrinks, the learner gets all back.
    function test_settle_thePotShrinks() public {
        Terms memory busy = terms();
        (busy.learner, busy.reward) = (validators[0], uint96(STAKE - 5e18));
        giveBalance(validators[0], STAKE);
        opened(busy);
        Deal memory d = makeDeal(0);
        settle(d);
        uint256 share = uint256(2e18) / 3; // 40 % of the 5 that were free.
        assertEq(balanceOf(learner), BALANCE + 2e18 - 3 * share, "learner");
        assertEq(stakeOf(neighbor), STAKE - 5e18, "neighbor");
        assertEq(lockedOf(neighbor), STAKE - 5e18, "locked");
        assertEq(balanceOf(address(0)), 3e18, "burnt");
    }

    /// @dev A voter that has nothing free pays nothing, the others share what there is.
    function test_settle_aVoterWithoutFreeStake() public {
        Deal memory d = makeDeal(5);
        address voter = d.committee[1];
        Terms memory busy = terms();
        (busy.learner, busy.neighbor, busy.reward) = (neighbor, voter, uint96(STAKE));
        opened(busy);
        settle(d);
        assertEq(stakeOf(voter), STAKE, "stake");
        expectMoney(d.committee[0], BALANCE + 1e18, STAKE);
        expectHistory(voter, History(0, 0, 0, 0, 0, 0, 0, 1));
    }

    /// @dev Who is paid must have what it needs to act, if only unbonding.
    function test_settle_paysOnlyTheStaked() public {
        unstake(neighbor, STAKE - THRESHOLD + 1);
        Deal memory d = makeDeal(7);
        settle(d);
        vm.warp(block.timestamp + DELAY);
        vm.prank(neighbor);
        idml.completeUnstake();
        Terms memory agreed = terms();
        agreed.nonce = 1;
        assertEq(stakeOf(neighbor), THRESHOLD - 1, "stake");
        d = makeDeal(agreed, 7);
        vm.prank(neighbor);
        idml.withdraw(BALANCE); // And what it earned, which counts while it is not claimed.
        fails(d, IRecords.InsufficientStake.selector);
        d = makeDeal(agreed, 3);
        fails(d, IRecords.InsufficientStake.selector);
        d = makeDeal(agreed, 1);
        settle(d); // Who is not paid may be short.
    }

    function test_settle_whoFallsBelowTheThresholdLosesItsSeat() public {
        unstake(neighbor, STAKE - THRESHOLD);
        settle(makeDeal(0));
        assertEq(idml.account(neighbor).seat, 0, "seat");
        assertEq(idml.account(neighbor).seatFrom, block.timestamp + DELAY, "seat from");
    }

    /* GRIEFING */

    /// @dev Nobody kills a voucher by moving the learner's window: it only passes nonces that are used.
    function test_settle_survivesADepositInBetween() public {
        uint256 rewardMax = roundUp(REWARD);
        vm.prank(learner);
        idml.withdraw(BALANCE - NONCES * rewardMax);
        settleNonce(0);
        settleNonce(2);
        assertEq(idml.account(learner).nonceBase, 0, "waits for cover");
        Terms memory agreed = terms();
        agreed.nonce = 1;
        Deal memory d = makeDeal(agreed, 7);
        bytes32[] memory signatures = signAll(d);
        for (uint256 i; i < 3; ++i) {
            giveBalance(learner, i == 0 ? 1 : NONCES * rewardMax);
            vm.prank(neighbor);
            idml.withdraw(1);
        }
        assertEq(idml.account(learner).nonceBase, 1, "moved on");
        settle(d, signatures);
        assertEq(idml.account(learner).nonceBase, 3, "moved on again");
    }

    /* HELPERS */

    function settleNonce(uint256 nonce) private {
        Terms memory agreed = terms();
        agreed.nonce = uint64(nonce);
        settle(makeDeal(agreed, 7));
    }

    function failsWithNonce(uint256 nonce, bytes4 reason) private {
        Terms memory agreed = terms();
        agreed.nonce = uint64(nonce);
        fails(makeDeal(agreed, 7), reason);
    }

    function failsWith(Deal memory d, bytes32[] memory signatures) private {
        expectNothing(IRecords.InvalidSignature.selector);
        settle(d, signatures);
    }

    /// @dev With all signatures there can be.
    function fails(Deal memory d, bytes4 reason) private {
        bytes32[] memory signatures = signAny(d);
        expectNothing(reason);
        settle(d, signatures);
    }

    /// @dev Address 0 and missing members sign nothing.
    function signAny(Deal memory d) private view returns (bytes32[] memory signatures) {
        signatures = new bytes32[](10);
        bytes32[] memory digests = digestsOf(d);
        address[] memory signers = signersOf(d);
        for (uint256 i; i < signers.length; ++i) {
            if (signers[i] == address(0)) continue;
            (signatures[2 * i], signatures[2 * i + 1]) = signShort(signers[i], digests[i]);
        }
    }
}
