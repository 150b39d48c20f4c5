// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {IDMLTest, IRecords} from "./utils/IDMLTest.sol";

contract WithdrawTest is IDMLTest {
    function test_withdraw() public {
        vm.expectEmit(address(idml));
        emit IRecords.Withdrawn(learner, BALANCE);
        vm.prank(learner);
        idml.withdraw(BALANCE);
        assertEq(balanceOf(learner), 0, "balance");
        assertEq(stakeOf(learner), STAKE, "stake");
        assertEq(token.balanceOf(learner), BALANCE, "wallet");
    }

    function test_withdraw_revertsForNothing() public {
        expect(IRecords.ZeroAmount.selector);
        idml.withdraw(0);
    }

    function test_withdraw_revertsBeyondTheBalance() public {
        vm.prank(learner);
        expect(IRecords.InsufficientBalance.selector, learner, BALANCE, BALANCE + 1);
        idml.withdraw(BALANCE + 1);
    }

    function test_withdraw_leavesThePrepayment() public {
        opened();
        vm.prank(learner);
        expect(IRecords.InsufficientBalance.selector, learner, BALANCE - REWARD, BALANCE);
        idml.withdraw(BALANCE);
    }
}
