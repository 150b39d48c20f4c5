// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {Deal, DealTest} from "./utils/DealTest.sol";
import {Account, IRecords, Terms} from "./utils/IDMLTest.sol";

contract CompleteReleaseTest is DealTest {
    function setUp() public override {
        super.setUp();
        setBudget(learner, REWARD, 5);
    }

    function test_completeRelease_lowersTheBudget() public {
        request(REWARD / 2, 3, 0);
        vm.warp(block.timestamp + DELAY);
        vm.expectEmit(address(idml));
        emit IRecords.Released(learner);
        complete();
        expectBudget(roundUp(REWARD / 2), 3);
        assertEq(idml.pendingRelease(learner).releaseAt, 0, "still pending");
        vm.prank(learner);
        idml.withdraw(BALANCE - 3 * roundUp(REWARD / 2));
    }

    function test_completeRelease_ofEverything() public {
        request(0, 0, 0);
        vm.warp(block.timestamp + DELAY);
        complete();
        expectBudget(0, 0);
        vm.prank(learner);
        idml.withdraw(BALANCE);
    }

    function test_completeRelease_neverRaises() public {
        request(2 * REWARD, 64, 0);
        vm.warp(block.timestamp + DELAY);
        complete();
        expectBudget(roundUp(REWARD), 5);
    }

    function test_completeRelease_revertsOneSecondEarly() public {
        request(0, 0, 0);
        vm.warp(block.timestamp + DELAY - 1);
        vm.prank(learner);
        expect(IRecords.StillUnbonding.selector, learner, block.timestamp + 1);
        idml.completeRelease();
    }

    function test_completeRelease_revertsForNothing() public {
        vm.prank(learner);
        expect(IRecords.NothingToRelease.selector, learner);
        idml.completeRelease();
        request(0, 0, 0);
        vm.warp(block.timestamp + DELAY);
        complete();
        vm.prank(learner);
        expect(IRecords.NothingToRelease.selector, learner);
        idml.completeRelease();
    }

    /* NONCES THAT WILL NOT BE USED */

    function test_completeRelease_retiresNonces() public {
        request(REWARD, 5, 0x6); // Nonces 1 and 2.
        vm.warp(block.timestamp + DELAY);
        complete();
        expectNonces(0, 0x6);
        expectCompleted(0);
        uint256 cover = 3 * roundUp(REWARD);
        vm.prank(learner);
        idml.withdraw(BALANCE - cover);
        fails(1, IRecords.NonceUsed.selector);
        settleNonce(0);
        expectNonces(0, 0x7);
        expectCompleted(1);
    }

    /// @dev A nonce that was used meanwhile is not retired once more.
    function test_completeRelease_afterTheNonceWasUsed() public {
        request(REWARD, 5, 0x6);
        settleNonce(2);
        expectCompleted(1);
        vm.warp(block.timestamp + DELAY);
        complete();
        expectNonces(0, 0x6);
        expectCompleted(1);
    }

    function test_completeRelease_afterTheBaseMoved() public {
        request(REWARD, 5, 0xe); // Nonces 1, 2 and 3.
        settleNonce(0);
        settleNonce(1);
        expectNonces(2, 0);
        vm.warp(block.timestamp + DELAY);
        complete();
        expectNonces(4, 0);
        expectCompleted(2);
    }

    function test_completeRelease_afterTheBaseMovedFar() public {
        request(REWARD, 5, type(uint64).max);
        Terms memory agreed = terms();
        agreed.reward = 0;
        for (uint256 i; i < 64; ++i) {
            agreed.nonce = uint64(i);
            opened(agreed);
        }
        expectNonces(64, 0);
        vm.warp(block.timestamp + DELAY);
        complete();
        expectNonces(64, 0);
    }

    function test_completeRelease_retiresTheWholeWindow() public {
        request(0, 0, type(uint64).max);
        vm.warp(block.timestamp + DELAY);
        complete();
        expectNonces(64, 0);
        expectCompleted(0);
    }

    /* WHAT WAS AGREED ON BEFORE */

    /// @dev Until the release no agreed encounter is lost, and each is dead before.
    function test_completeRelease_outlivesEveryVoucher() public {
        Deal memory d = makeDeal(7);
        request(0, 0, type(uint64).max);
        vm.warp(d.terms.deadline + VOTING);
        uint256 alive = vm.snapshotState();
        settle(d);
        vm.revertToState(alive);
        uint256 releaseAt = idml.pendingRelease(learner).releaseAt;
        vm.prank(learner);
        expect(IRecords.StillUnbonding.selector, learner, releaseAt);
        idml.completeRelease();
        vm.warp(releaseAt);
        complete();
        bytes32[] memory signatures = signAll(d);
        expectNothing(IRecords.DeadlinePassed.selector);
        settle(d, signatures);
    }

    /* HELPERS */

    function request(uint96 rewardMax, uint8 nonces, uint64 retired) private {
        vm.prank(learner);
        idml.requestRelease(rewardMax, nonces, retired);
    }

    function complete() private {
        vm.prank(learner);
        idml.completeRelease();
    }

    function dealOf(uint256 nonce) private view returns (Deal memory) {
        Terms memory agreed = terms();
        agreed.nonce = uint64(nonce);
        return makeDeal(agreed, 7);
    }

    function settleNonce(uint256 nonce) private {
        settle(dealOf(nonce));
    }

    function fails(uint256 nonce, bytes4 reason) private {
        Deal memory d = dealOf(nonce);
        bytes32[] memory signatures = signAll(d);
        expectNothing(reason);
        settle(d, signatures);
    }

    function expectBudget(uint256 rewardMax, uint256 nonces) private view {
        Account memory a = idml.account(learner);
        assertEq(a.budgetReward, rewardMax, "reward");
        assertEq(a.budgetNonces, nonces, "nonces");
    }

    function expectNonces(uint256 base, uint256 window) private view {
        Account memory a = idml.account(learner);
        assertEq(a.nonceBase, base, "nonce base");
        assertEq(a.nonceWindow, window, "nonce window");
    }

    function expectCompleted(uint256 count) private view {
        assertEq(idml.history(learner).completedAsLearner, count, "completed");
    }
}
