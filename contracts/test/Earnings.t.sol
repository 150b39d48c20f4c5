// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {Account, Encounter, IDMLTest, IRecords, Terms} from "./utils/IDMLTest.sol";

/// @notice What was earned above the pledged level is balance that was not moved yet.
contract EarningsTest is IDMLTest {
    uint256 private constant PAY = 8e18; // 80 % of the reward.

    function test_earnings_areBalance() public {
        judge(opened(), true);
        assertEq(balanceOf(neighbor), BALANCE + PAY, "balance");
        assertEq(stakeOf(neighbor), STAKE, "stake");
        vm.prank(neighbor);
        idml.withdraw(BALANCE + PAY);
        assertEq(balanceOf(neighbor), 0, "balance");
        assertEq(stakeOf(neighbor), STAKE, "stake");
    }

    function test_earnings_payForEncounters() public {
        judge(opened(), true);
        vm.prank(neighbor);
        idml.withdraw(BALANCE);
        Terms memory agreed = terms();
        (agreed.learner, agreed.neighbor, agreed.nonce, agreed.reward) = (neighbor, learner, 0, uint96(PAY));
        opened(agreed);
        assertEq(balanceOf(neighbor), 0, "balance");
    }

    function test_earnings_areStaked() public {
        judge(opened(), true);
        vm.prank(neighbor);
        idml.stake(BALANCE + PAY);
        assertEq(stakeOf(neighbor), STAKE + BALANCE + PAY, "stake");
    }

    /// @dev A lock that reaches into them keeps them; what is free of it can go.
    function test_earnings_answerForLocks() public {
        judge(opened(), true);
        Encounter memory e = opened(rewarded(STAKE + 5e18));
        Account memory a = idml.account(neighbor);
        assertEq(a.locked, STAKE + 5e18, "locked beyond what was staked");
        assertEq(a.stake, STAKE + 5e18, "what is locked counts as stake");
        assertEq(a.balance, BALANCE + 3e18, "the rest is free");
        vm.prank(neighbor);
        expect(IRecords.InsufficientBalance.selector, neighbor, BALANCE + 3e18, BALANCE + 4e18);
        idml.withdraw(BALANCE + 4e18);
        vm.prank(neighbor);
        idml.withdraw(BALANCE + 3e18);
        vm.prank(neighbor);
        expect(IRecords.InsufficientStake.selector, neighbor, 0, 1);
        idml.requestUnstake(1);
        judge(e, false);
        assertEq(tokensOf(neighbor), 0, "all was at risk, and all is lost");
    }

    /// @dev A penalty is taken from the stake, not from what was earned before.
    function test_earnings_areNotPenalized() public {
        judge(opened(), true);
        judge(opened(), false);
        assertEq(balanceOf(neighbor), BALANCE + PAY, "balance");
        assertEq(stakeOf(neighbor), STAKE - REWARD, "stake");
    }

    /// @dev They hold no seat: whoever's stake falls below the threshold leaves, whatever it earned.
    function test_earnings_doNotKeepASeat() public {
        unstake(neighbor, STAKE - THRESHOLD);
        judge(opened(rewarded(THRESHOLD)), true); // Earns 80.
        Encounter memory lost = opened(rewarded(80e18));
        Encounter memory other = opened(rewarded(100e18)); // Locks all that is left, so nothing can be claimed.
        judge(lost, false);
        assertEq(idml.account(neighbor).seat, 0, "seat");
        assertEq(stakeOf(neighbor), 100e18, "what is locked counts as stake");
        judge(other, true);
        assertEq(stakeOf(neighbor), 20e18, "stake");
    }

    function test_earnings_takeNoSeat() public {
        unstake(neighbor, STAKE - THRESHOLD);
        Encounter memory won = opened(rewarded(40e18));
        judge(opened(), false);
        assertEq(stakeOf(neighbor), THRESHOLD - REWARD, "stake");
        judge(won, true); // Earns 32, on top of a stake of 90.
        vm.warp(block.timestamp + DELAY);
        vm.prank(neighbor);
        expect(IRecords.InsufficientStake.selector, neighbor, THRESHOLD - REWARD, THRESHOLD);
        idml.takeSeat();
    }

    function rewarded(uint256 reward) private returns (Terms memory agreed) {
        giveBalance(learner, reward);
        agreed = terms();
        agreed.reward = uint96(reward);
    }

    function judge(Encounter memory e, bool accept) private {
        reportBoth(e);
        for (uint256 i; i < 3; ++i) {
            vote(e, e.progress.committee[i], accept);
        }
    }
}
