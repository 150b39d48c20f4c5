// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {IDMLTest, IRecords, Seat} from "./utils/IDMLTest.sol";

contract StakeTest is IDMLTest {
    address private holder;

    function setUp() public override {
        super.setUp();
        holder = newActor("holder");
        giveBalance(holder, BALANCE);
    }

    function test_stake_belowTheThresholdTakesNoSeat() public {
        vm.expectEmit(address(idml));
        emit IRecords.Staked(holder, THRESHOLD - 1);
        stake(THRESHOLD - 1);
        assertEq(balanceOf(holder), BALANCE - THRESHOLD + 1, "balance");
        assertEq(stakeOf(holder), THRESHOLD - 1, "stake");
        assertEq(idml.account(holder).seat, 0, "seat");
        assertEq(idml.seatCount(), 7, "seats");
    }

    function test_stake_reachingTheThresholdTakesASeat() public {
        stake(THRESHOLD - 1);
        vm.expectEmit(address(idml));
        emit IRecords.Staked(holder, 1);
        vm.expectEmit(address(idml));
        emit IRecords.SeatTaken(7, holder, block.timestamp);
        stake(1);
        assertEq(idml.account(holder).seat, 8, "seat");
        Seat memory taken = idml.seat(7);
        assertEq(taken.member, holder, "member");
        assertEq(taken.createdAt, block.timestamp, "created");
        assertEq(taken.activeFrom, block.timestamp, "active");
        assertEq(taken.inactiveFrom, type(uint32).max, "inactive");
    }

    function test_stake_moreKeepsTheSeat() public {
        stake(THRESHOLD);
        stake(THRESHOLD);
        assertEq(idml.account(holder).seat, 8, "seat");
        assertEq(idml.seatCount(), 8, "seats");
    }

    function test_stake_takesNoSeatWhileCooling() public {
        stake(THRESHOLD);
        unstake(holder, 1);
        vm.warp(block.timestamp + DELAY - 1);
        stake(1);
        assertEq(idml.account(holder).seat, 0, "seat while cooling");
        vm.warp(block.timestamp + 1);
        stake(1);
        assertEq(idml.account(holder).seat, 8, "seat when cooled down");
    }

    function test_stake_revertsForNothing() public {
        expect(IRecords.ZeroAmount.selector);
        idml.stake(0);
    }

    function test_stake_revertsBeyondTheBalance() public {
        vm.prank(holder);
        expect(IRecords.InsufficientBalance.selector, holder, BALANCE, BALANCE + 1);
        idml.stake(BALANCE + 1);
    }

    function stake(uint256 amount) private {
        vm.prank(holder);
        idml.stake(amount);
    }
}
