// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {Deal, DealTest} from "./utils/DealTest.sol";
import {Encounter, History, IRecords} from "./utils/IDMLTest.sol";

/// @notice What a pledge keeps so that a batch need not read seats: the number of a seat that was held for long. And how
/// its counters go on where they end.
contract TenureTest is DealTest {
    uint256 private constant ACCEPTED = 224;
    uint256 private constant VOTES_WITH = 240;

    function setUp() public override {
        super.setUp();
        setBudget(learner, REWARD, 64);
    }

    /* TENURE */

    function test_tenure_isNotedOfWhoIsDrawn() public {
        vm.warp(START + DELAY + 1);
        Deal memory d = makeDeal(7);
        settleBatch(list(d));
        for (uint256 i; i < validators.length; ++i) {
            uint256 expected = isIn(d.committee, validators[i]) ? idml.account(validators[i]).seat : 0;
            assertEq(tenureOf(validators[i]), expected, "tenure");
        }
        assertEq(tenureOf(neighbor), 0, "was not drawn");
    }

    function test_tenure_isLongerThanTheDelay() public {
        vm.warp(START + DELAY);
        Deal memory d = makeDeal(7);
        settleBatch(list(d));
        assertEq(tenureOf(d.committee[0]), 0, "tenure");
    }

    function test_tenure_endsWithTheSeat() public {
        vm.warp(START + DELAY + 1);
        Deal memory d = makeDeal(7);
        settleBatch(list(d));
        address leaver = d.committee[1];
        Deal memory before = makeDeal(7);
        unstake(leaver, STAKE);
        assertEq(tenureOf(leaver), 0, "tenure");
        settleBatch(list(before)); // It was seated when that was agreed on.
        assertEq(tenureOf(leaver), 0, "a seat that was left");
    }

    function test_tenure_endsWithAPenalty() public {
        vm.warp(START + DELAY + 1);
        Deal memory d = makeDeal(7);
        settleBatch(list(d));
        address loser = d.committee[0];
        unstake(loser, STAKE - THRESHOLD);
        assertEq(tenureOf(loser), idml.account(loser).seat, "it has the stake");
        settleBatch(list(makeDeal(6)));
        assertEq(idml.account(loser).seat, 0, "seat");
        assertEq(tenureOf(loser), 0, "tenure");
    }

    /// @dev Tenured or not, only who was drawn votes.
    function test_tenure_isNoInvitation() public {
        vm.warp(START + DELAY + 1);
        for (uint256 round; round < 8; ++round) {
            settleBatch(list(randomDeal(round)));
        }
        Deal memory d = randomDeal(8);
        uint256 i;
        while (isIn(d.committee, validators[i])) {
            ++i;
        }
        assertTrue(tenureOf(validators[i]) > 0, "tenure");
        d.committee[1] = validators[i];
        expectNothing(IRecords.NotInCommittee.selector);
        this.settleAsTold(d);
    }

    /// @dev Whoever comes, leaves and returns: a batch draws whom `committeeOf` names.
    function testFuzz_tenure_changesNoDraw(uint256 random) public {
        uint256 settled;
        for (uint256 i; i < 24; ++i) {
            uint256 dice = uint256(keccak256(abi.encode(random, i)));
            address who = validators[dice % 5];
            if (dice >> 8 & 3 == 0) vm.warp(block.timestamp + bound(dice >> 16, 1, DELAY));
            if (dice >> 10 & 3 == 0 && stakeOf(who) > 0) unstake(who, stakeOf(who));
            bool mayReturn = idml.account(who).seat == 0 && block.timestamp >= idml.account(who).seatFrom;
            if (dice >> 12 & 1 == 0 && mayReturn && stakeOf(who) == 0) {
                giveBalance(who, STAKE);
                vm.prank(who);
                idml.stake(STAKE);
            }
            Deal memory d = randomDeal(dice);
            if (d.committee.length < 3) continue;
            settleBatch(list(d));
            ++settled;
            checkTenure();
        }
        assertTrue(settled > 0, "nothing settled");
    }

    /* COUNTERS */

    /// @dev Step by step, alone, in a batch and co-signed.
    function test_counters_carry() public {
        for (uint256 way; way < 4; ++way) {
            uint256 start = vm.snapshotState();
            fill(neighbor);
            for (uint256 i; i < validators.length; ++i) {
                fill(validators[i]);
            }
            address voter = way == 0 ? judge() : settleBy(way);
            expectHistory(neighbor, History(0, 0, 1 << 16, 0, 1 << 16, 0, 0xffff, 0));
            expectHistory(voter, History(0, 0, 0xffff, 0, 0xffff, 0, 1 << 16, 0));
            vm.revertToState(start);
        }
    }

    function judge() private returns (address voter) {
        Encounter memory e = validating();
        for (uint256 i; i < 3; ++i) {
            vote(e, e.progress.committee[i], true);
        }
        return e.progress.committee[0];
    }

    function settleBy(uint256 way) private returns (address voter) {
        Deal memory d = makeDeal(7);
        if (way == 1) settle(d);
        else if (way == 2) settleBatch(list(d));
        else settleCosigned(list(d));
        return d.committee[0];
    }

    /* HELPERS */

    function settleAsTold(Deal memory d) external {
        settleBatch(list(d));
    }

    function randomDeal(uint256 dice) private view returns (Deal memory) {
        return makeDeal(terms(), 7, bytes32(uint256(keccak256(abi.encode(dice, 1))) << 128), NEIGHBOR_SECRET);
    }

    function checkTenure() private view {
        for (uint256 i; i < validators.length; ++i) {
            uint256 tenure = tenureOf(validators[i]);
            if (tenure == 0) continue;
            assertEq(tenure, idml.account(validators[i]).seat, "another seat");
            assertTrue(idml.seat(tenure - 1).activeFrom + DELAY < block.timestamp, "too early");
        }
    }

    function pledgeSlot(address who) private pure returns (bytes32) {
        return bytes32(uint256(keccak256(abi.encode(who, 3))) + 1);
    }

    function tenureOf(address who) private view returns (uint256) {
        return uint32(uint256(vm.load(address(idml), pledgeSlot(who))) >> 192);
    }

    /// @dev As after 2^16 - 1 encounters as a neighbor and as many as a voter.
    function fill(address who) private {
        uint256 word = uint256(vm.load(address(idml), pledgeSlot(who)));
        word |= 0xffff << ACCEPTED | 0xffff << VOTES_WITH;
        vm.store(address(idml), pledgeSlot(who), bytes32(word));
    }
}
