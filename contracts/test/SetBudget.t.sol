// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {DealTest} from "./utils/DealTest.sol";
import {Account, Encounter, IRecords, Terms} from "./utils/IDMLTest.sol";

contract SetBudgetTest is DealTest {
    function test_setBudget() public {
        uint256 rewardMax = roundUp(REWARD);
        vm.expectEmit(address(idml));
        emit IRecords.BudgetSet(learner, rewardMax, 5);
        setBudget(learner, REWARD, 5);
        expectBudget(rewardMax, 5);
        assertEq(balanceOf(learner), BALANCE, "balance");
    }

    function testFuzz_setBudget_roundsUp(uint96 rewardMax) public {
        rewardMax = uint96(bound(rewardMax, 0, BALANCE));
        setBudget(learner, rewardMax, 0);
        Account memory a = idml.account(learner);
        assertLe(rewardMax, a.budgetReward, "at least what was asked for");
        assertLe(a.budgetReward - rewardMax, UNIT - 1, "less than a unit more");
    }

    function test_setBudget_allOfTheBalance() public {
        uint256 rewardMax = BALANCE / 64 / UNIT * UNIT;
        setBudget(learner, rewardMax, 64);
        expectBudget(rewardMax, 64);
    }

    function test_setBudget_revertsWithoutCover() public {
        uint256 rewardMax = roundUp(BALANCE / 10);
        vm.prank(learner);
        expect(IRecords.InsufficientBalance.selector, learner, BALANCE, 10 * rewardMax);
        idml.setBudget(uint96(rewardMax), 10);
    }

    function test_setBudget_countsEarnings() public {
        earn(neighbor);
        uint256 rewardMax = (BALANCE + 8e18) / UNIT * UNIT;
        vm.prank(neighbor);
        expect(IRecords.InsufficientBalance.selector, neighbor, BALANCE + 8e18, rewardMax + UNIT);
        idml.setBudget(uint96(rewardMax + UNIT), 1);
        setBudget(neighbor, rewardMax, 1);
    }

    /* IT ONLY RISES */

    function test_setBudget_rises() public {
        setBudget(learner, REWARD, 5);
        setBudget(learner, REWARD, 5);
        setBudget(learner, REWARD, 6);
        setBudget(learner, 2 * REWARD, 6);
        expectBudget(roundUp(2 * REWARD), 6);
    }

    /// @dev Whoever is offered a budget must not lose it to a release that was asked for before.
    function test_setBudget_takesBackWhatWasToBeReleased() public {
        setBudget(learner, REWARD, 10);
        vm.prank(learner);
        idml.requestRelease(0, 0, type(uint64).max);
        vm.warp(block.timestamp + DELAY);
        setBudget(learner, REWARD, 10);
        assertEq(idml.pendingRelease(learner).releaseAt, 0, "nothing waits");
        vm.prank(learner);
        expect(IRecords.NothingToRelease.selector, learner);
        idml.completeRelease();
    }

    function test_setBudget_revertsOnLess() public {
        setBudget(learner, REWARD, 5);
        uint256 less = roundUp(REWARD) - UNIT;
        vm.prank(learner);
        vm.expectRevert(abi.encodeWithSelector(IRecords.BudgetOnlyRises.selector, less, 64));
        idml.setBudget(uint96(less), 64);
        vm.prank(learner);
        vm.expectRevert(abi.encodeWithSelector(IRecords.BudgetOnlyRises.selector, 2 * REWARD, 4));
        idml.setBudget(2 * REWARD, 4);
    }

    function test_setBudget_atTheBounds() public {
        uint96 most = type(uint96).max;
        vm.prank(learner);
        vm.expectRevert(abi.encodeWithSelector(IRecords.BudgetTooLarge.selector, 1, 65));
        idml.setBudget(1, 65);
        vm.prank(learner);
        vm.expectRevert(abi.encodeWithSelector(IRecords.BudgetTooLarge.selector, most, 0));
        idml.setBudget(most, 0);
        setBudget(learner, 0, 64);
        expectBudget(0, 64);
        setBudget(neighbor, most - (UNIT - 1), 0);
        assertEq(idml.account(neighbor).budgetReward, most - (UNIT - 1), "the largest");
    }

    function test_setBudget_revertsBeyondAllTokens() public {
        uint256 most = type(uint96).max - (UNIT - 1);
        vm.prank(learner);
        expect(IRecords.InsufficientBalance.selector, learner, BALANCE, 64 * most);
        idml.setBudget(uint96(most), 64);
    }

    /* WHAT IT COVERS STAYS */

    function test_setBudget_keepsItsCoverFromWithdrawals() public {
        setBudget(learner, REWARD, 5);
        uint256 cover = 5 * roundUp(REWARD);
        vm.prank(learner);
        expect(IRecords.InsufficientBalance.selector, learner, BALANCE, BALANCE + 1);
        idml.withdraw(BALANCE - cover + 1);
        vm.prank(learner);
        idml.withdraw(BALANCE - cover);
        assertEq(balanceOf(learner), cover, "balance");
    }

    function test_setBudget_keepsItsCoverFromTheStake() public {
        setBudget(learner, REWARD, 5);
        uint256 cover = 5 * roundUp(REWARD);
        vm.prank(learner);
        expect(IRecords.InsufficientBalance.selector, learner, BALANCE, BALANCE + 1);
        idml.stake(BALANCE - cover + 1);
        vm.prank(learner);
        idml.stake(BALANCE - cover);
    }

    /// @dev Outside the covered nonces an encounter is paid from what is spare.
    function test_setBudget_keepsItsCoverFromOpening() public {
        uint256 rewardMax = BALANCE / UNIT * UNIT;
        setBudget(learner, rewardMax, 1);
        giveBalance(learner, 2e18);
        uint256 spare = BALANCE + 2e18 - rewardMax;
        Terms memory agreed = terms();
        agreed.nonce = 1;
        agreed.reward = uint96(spare + 1);
        Encounter memory e = agreedOn(agreed);
        (bytes memory a, bytes memory b) = (sign(learner, e.id), sign(neighbor, e.id));
        expect(IRecords.InsufficientBalance.selector, learner, BALANCE + 2e18, BALANCE + 2e18 + 1);
        idml.open(agreed, 0, a, b);
        agreed.reward = uint96(spare);
        opened(agreed);
    }

    /// @dev Opening with a covered nonce frees that nonce's cover.
    function test_setBudget_payFromTheCoverByOpening() public {
        setBudget(learner, BALANCE / 10 / UNIT * UNIT, 10);
        Terms memory agreed = terms();
        agreed.nonce = 3;
        opened(agreed);
        assertEq(balanceOf(learner), BALANCE - REWARD, "balance");
        vm.prank(learner);
        idml.withdraw(BALANCE / 10 - REWARD); // The cover of nonce 3 but for what the encounter took.
    }

    /// @dev What was earned counts as balance, so it pays for encounters beside a budget.
    function test_setBudget_earningsPayBesideIt() public {
        setBudget(neighbor, BALANCE / UNIT * UNIT, 1);
        earn(neighbor);
        Terms memory agreed = terms();
        (agreed.learner, agreed.neighbor, agreed.nonce, agreed.reward) = (neighbor, learner, 1, 8e18);
        opened(agreed);
    }

    /* THE WINDOW */

    /// @dev The base moves on only while the balance covers a whole window from there.
    function test_setBudget_theWindowWaitsForCover() public {
        uint256 rewardMax = BALANCE / 4 / UNIT * UNIT;
        setBudget(learner, rewardMax, 4);
        vm.prank(learner);
        idml.withdraw(BALANCE - 4 * rewardMax);
        opened();
        expectNonces(0, 1);
        giveBalance(learner, REWARD - 1);
        expectNonces(0, 1);
        giveBalance(learner, 1);
        expectNonces(1, 0);
    }

    function test_setBudget_movesAWaitingWindow() public {
        uint256 rewardMax = BALANCE / 4 / UNIT * UNIT;
        setBudget(learner, rewardMax, 4);
        opened();
        expectNonces(0, 1);
        giveBalance(learner, BALANCE);
        expectNonces(1, 0);
        setBudget(learner, rewardMax, 7);
        expectBudget(rewardMax, 7);
    }

    /// @dev Whatever nonces are used in whatever order: each voucher that the budget offered is still covered.
    function testFuzz_setBudget_everyOfferStaysCovered(uint256 random, uint8 nonces) public {
        nonces = uint8(bound(nonces, 1, 16));
        uint256 rewardMax = BALANCE / nonces / UNIT * UNIT;
        setBudget(learner, rewardMax, nonces);
        vm.prank(learner);
        idml.setTarget(0);
        for (uint256 i; i < 12; ++i) {
            Account memory a = idml.account(learner);
            uint256 place = (random >> (8 * i)) % nonces;
            if (random >> (8 * i + 7) & 1 == 1) giveBalance(learner, rewardMax / 2);
            a = idml.account(learner);
            if (a.nonceWindow >> place & 1 == 1) continue;
            Terms memory agreed = terms();
            agreed.nonce = uint64(a.nonceBase + place);
            agreed.reward = uint96(bound(random >> 96, 0, rewardMax < 8e18 ? rewardMax : 8e18));
            opened(agreed);
            a = idml.account(learner);
            uint256 unused;
            for (uint256 j; j < nonces; ++j) {
                if (a.nonceWindow >> j & 1 == 0) ++unused;
            }
            assertLe(unused * rewardMax, a.balance, "not covered");
        }
    }

    /* HELPERS */

    function earn(address who) private {
        Encounter memory e = validating();
        for (uint256 i; i < 3; ++i) {
            vote(e, e.progress.committee[i], true);
        }
        assertEq(balanceOf(who), BALANCE + 8e18, "earned");
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
}
