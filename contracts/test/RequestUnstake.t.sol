// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {Account, IDMLTest, IRecords} from "./utils/IDMLTest.sol";

contract RequestUnstakeTest is IDMLTest {
    function test_requestUnstake_downToTheThresholdKeepsTheSeat() public {
        vm.expectEmit(address(idml));
        emit IRecords.UnstakeRequested(neighbor, STAKE - THRESHOLD, block.timestamp + DELAY);
        unstake(neighbor, STAKE - THRESHOLD);
        Account memory a = idml.account(neighbor);
        assertEq(a.stake, THRESHOLD, "stake");
        assertEq(a.unbonding, STAKE - THRESHOLD, "unbonding");
        assertEq(a.releaseAt, block.timestamp + DELAY, "release");
        assertEq(a.balance, BALANCE, "balance");
        assertEq(a.seat, 2, "seat");
    }

    function test_requestUnstake_belowTheThresholdLeavesTheSeat() public {
        vm.expectEmit(address(idml));
        emit IRecords.UnstakeRequested(neighbor, STAKE - THRESHOLD + 1, block.timestamp + DELAY);
        vm.expectEmit(address(idml));
        emit IRecords.SeatLeft(1, neighbor, block.timestamp);
        unstake(neighbor, STAKE - THRESHOLD + 1);
        Account memory a = idml.account(neighbor);
        assertEq(a.seat, 0, "seat");
        assertEq(a.seatFrom, block.timestamp + DELAY, "seat from");
        assertEq(idml.seat(1).inactiveFrom, block.timestamp, "inactive");
        assertEq(idml.seat(1).member, neighbor, "the table remembers");
    }

    function test_requestUnstake_secondRequestRestartsTheDelay() public {
        unstake(neighbor, 1e18);
        vm.warp(block.timestamp + DELAY);
        unstake(neighbor, 2e18);
        Account memory a = idml.account(neighbor);
        assertEq(a.unbonding, 3e18, "unbonding");
        assertEq(a.releaseAt, block.timestamp + DELAY, "release");
    }

    function test_requestUnstake_revertsForNothing() public {
        expect(IRecords.ZeroAmount.selector);
        idml.requestUnstake(0);
    }

    function test_requestUnstake_revertsForLockedStake() public {
        opened();
        vm.prank(neighbor);
        expect(IRecords.InsufficientStake.selector, neighbor, STAKE - REWARD, STAKE - REWARD + 1);
        idml.requestUnstake(STAKE - REWARD + 1);
        unstake(neighbor, STAKE - REWARD);
        assertEq(stakeOf(neighbor), REWARD, "what is locked stays");
    }
}
