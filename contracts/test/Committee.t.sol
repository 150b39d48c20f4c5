// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {Encounter, IDMLTest, Seat, TaskParams, Terms} from "./utils/IDMLTest.sol";

contract CommitteeTest is IDMLTest {
    /// @dev As the interface defines it, written once more in the simplest way.
    function testFuzz_committeeOf_isTheFirstDistinctActiveSeats(bytes32 seed, uint8 leavers) public {
        for (uint256 i; i < validators.length; ++i) {
            if (leavers >> i & 1 == 1) unstake(validators[i], STAKE);
        }
        vm.warp(block.timestamp + 1);
        Terms memory t = terms();
        address[] memory committee = idml.committeeOf(t, seed);

        uint256 found;
        bool[] memory drawn = new bool[](t.seats);
        for (uint256 j; j < 64 && found < 3; ++j) {
            uint256 index = uint256(keccak256(abi.encode(seed, j))) % t.seats;
            Seat memory s = idml.seat(index);
            bool active = s.activeFrom < t.asOf && t.asOf <= s.inactiveFrom;
            if (drawn[index] || !active || s.member == learner || s.member == neighbor) continue;
            drawn[index] = true;
            assertTrue(found < committee.length, "a member is missing");
            assertEq(committee[found++], s.member, "member");
        }
        assertEq(committee.length, found, "size");
    }

    function testFuzz_committeeOf_isDistinctAndWithoutTheParties(bytes32 seed) public view {
        address[] memory c = idml.committeeOf(terms(), seed);
        assertEq(c.length, 3, "size");
        for (uint256 i; i < 3; ++i) {
            assertTrue(c[i] != learner && c[i] != neighbor && c[i] != c[(i + 1) % 3], "member");
        }
    }

    /// @dev Once Terms and seed are fixed, nobody who comes, goes or returns changes the committee.
    function testFuzz_committeeOf_neverChanges(bytes32 seed, uint8 leavers) public {
        Terms memory t = terms();
        address[] memory before = idml.committeeOf(t, seed);
        for (uint256 i; i < validators.length; ++i) {
            if (leavers >> i & 1 == 1) unstake(validators[i], STAKE);
            newStaked(string.concat("joiner", string(abi.encodePacked(uint8(48 + i)))));
        }
        expectSame(idml.committeeOf(t, seed), before);
        vm.warp(START + 1 + DELAY - 1); // The last second before a seat is reused.
        newStaked("last");
        expectSame(idml.committeeOf(t, seed), before);
    }

    function test_committeeOf_whoJoinsAtAsOfIsNotIn() public {
        address late = newStaked("late");
        assertTrue(!isEverDrawn(late), "in the same second");
        vm.warp(block.timestamp + 1);
        assertTrue(isEverDrawn(late), "one second later");
    }

    function test_committeeOf_whoLeavesAtAsOfIsIn() public {
        unstake(validators[0], STAKE);
        assertTrue(isEverDrawn(validators[0]), "in the same second");
        vm.warp(block.timestamp + 1);
        assertTrue(!isEverDrawn(validators[0]), "one second later");
    }

    /// @dev Reused by another at `asOf`: neither the old nor the new member is active.
    function test_committeeOf_aReusedSeat() public {
        unstake(validators[0], STAKE);
        vm.warp(block.timestamp + DELAY);
        address late = newStaked("late");
        assertEq(idml.account(late).seat, 3, "seat");
        assertTrue(!isEverDrawn(late) && !isEverDrawn(validators[0]), "in the same second");
        vm.warp(block.timestamp + 1);
        assertTrue(isEverDrawn(late) && !isEverDrawn(validators[0]), "one second later");
    }

    function test_committeeOf_fewerThanWanted() public {
        for (uint256 i; i < 4; ++i) {
            unstake(validators[i], STAKE);
        }
        vm.warp(block.timestamp + 1);
        address[] memory committee = idml.committeeOf(terms(), 0);
        assertEq(committee.length, 1, "size");
        assertEq(committee[0], validators[4], "member");
    }

    function test_committeeOf_noSeats() public view {
        Terms memory t = terms();
        t.seats = 0;
        assertEq(idml.committeeOf(t, 0).length, 0, "size");
    }

    function test_committeeOf_openVoting() public {
        Terms memory t = terms();
        t.task = openTask();
        assertEq(idml.committeeOf(t, 0).length, 0, "size");
    }

    /// @dev The most that one report may cost: every draw meets another seat, and nobody on it.
    function test_committeeOf_costsAtMostItsDraws() public {
        for (uint256 i; i < 300; ++i) {
            unstake(newStaked(string.concat("leaver", string(abi.encodePacked(uint16(10_000 + i))))), STAKE);
        }
        vm.warp(block.timestamp + 1);
        TaskParams memory p = params();
        p.committeeSize = 16;
        Terms memory t = terms();
        t.task = idml.createTask(p);
        Encounter memory e = opened(t);
        reportAsNeighbor(e, RESULT);
        bytes memory signature = signReport(e, learner, RESULT, LEARNER_SECRET);
        idml.committeeOf(t, 0);
        vm.cool(address(idml));
        uint256 before = gasleft();
        idml.reportFor(e.progress, learner, RESULT, LEARNER_SECRET, signature);
        assertLe(before - gasleft(), 260_000, "gas");
    }

    function isEverDrawn(address who) private view returns (bool) {
        Terms memory t = terms();
        for (uint256 i; i < 32; ++i) {
            address[] memory committee = idml.committeeOf(t, bytes32(i));
            for (uint256 j; j < committee.length; ++j) {
                if (committee[j] == who) return true;
            }
        }
        return false;
    }

    function expectSame(address[] memory found, address[] memory expected) private pure {
        assertEq(keccak256(abi.encode(found)), keccak256(abi.encode(expected)), "committee");
    }
}
