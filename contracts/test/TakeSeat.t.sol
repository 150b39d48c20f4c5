// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {IDMLTest, IRecords, Seat} from "./utils/IDMLTest.sol";

contract TakeSeatTest is IDMLTest {
    function test_takeSeat_whenCooledDownReusesTheSeat() public {
        uint256 createdAt = idml.seat(1).createdAt;
        cooling(neighbor);
        vm.warp(block.timestamp + DELAY);
        vm.expectEmit(address(idml));
        emit IRecords.SeatTaken(1, neighbor, block.timestamp);
        take(neighbor);
        assertEq(idml.account(neighbor).seat, 2, "seat");
        assertEq(idml.seatCount(), 7, "seats");
        Seat memory taken = idml.seat(1);
        assertEq(taken.createdAt, createdAt, "created");
        assertEq(taken.activeFrom, block.timestamp, "active");
        assertEq(taken.inactiveFrom, type(uint32).max, "inactive");
    }

    function test_takeSeat_oldestSeatFirst() public {
        cooling(validators[0]);
        vm.warp(block.timestamp + 10);
        cooling(neighbor);
        vm.warp(block.timestamp + DELAY);
        take(neighbor);
        assertEq(idml.account(neighbor).seat, 3, "the first that was left");
        take(validators[0]);
        assertEq(idml.account(validators[0]).seat, 2, "the second that was left");
        cooling(learner);
        assertEq(idml.account(newStaked("late")).seat, 8, "none has cooled down");
    }

    function test_takeSeat_aSeatCoolsForOthersToo() public {
        cooling(neighbor);
        uint256 left = block.timestamp;
        vm.warp(left + DELAY - 1);
        address early = newStaked("early");
        assertEq(idml.account(early).seat, 8, "a new seat");
        vm.warp(left + DELAY);
        address late = newStaked("late");
        assertEq(idml.account(late).seat, 2, "the old seat");
        take(neighbor);
        assertEq(idml.account(neighbor).seat, 9, "a new seat for its old member");
    }

    function test_takeSeat_revertsOneSecondEarly() public {
        cooling(neighbor);
        uint256 until = block.timestamp + DELAY;
        vm.warp(until - 1);
        expect(IRecords.SeatCooling.selector, neighbor, until);
        take(neighbor);
    }

    function test_takeSeat_revertsOnASeat() public {
        expect(IRecords.AlreadySeated.selector, neighbor);
        take(neighbor);
    }

    function test_takeSeat_revertsBelowTheThreshold() public {
        unstake(neighbor, STAKE - THRESHOLD + 1);
        vm.warp(block.timestamp + DELAY);
        expect(IRecords.InsufficientStake.selector, neighbor, THRESHOLD - 1, THRESHOLD);
        take(neighbor);
    }

    /// @dev Leaves the seat and stakes again at once.
    function cooling(address who) private {
        unstake(who, STAKE - THRESHOLD + 1);
        vm.prank(who);
        idml.stake(STAKE);
        assertEq(idml.account(who).seat, 0, "seat while cooling");
    }

    function take(address who) private {
        vm.prank(who);
        idml.takeSeat();
    }
}
