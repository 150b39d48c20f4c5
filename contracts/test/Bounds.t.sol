// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {Deal, DealTest} from "./utils/DealTest.sol";
import {Encounter, IRecords, TaskParams, Terms} from "./utils/IDMLTest.sol";

/// @notice No token, one unit, all tokens that there can be; on each path.
contract BoundsTest is DealTest {
    uint256 private constant MOST = type(uint96).max;

    function test_bounds_noReward() public {
        plays(0);
    }

    function test_bounds_oneUnit() public {
        plays(1);
    }

    function test_bounds_threeUnits() public {
        plays(3);
    }

    /// @dev As much as can be paid and pledged at once: half of all tokens each.
    function test_bounds_mostThatCanBePledged() public {
        uint256 room = MOST - token.balanceOf(address(idml));
        giveBalance(learner, room / 2 / UNIT * UNIT);
        giveBalance(neighbor, room - room / 2 / UNIT * UNIT);
        stakeAll(neighbor);
        // Whoever votes locks up to half of the pot; with a neighbor's share of 100 % and nothing for validators: none.
        taskOf(10_000, 0);
        plays(uint96(balanceOf(learner) / UNIT * UNIT));
    }

    /// @dev Nearly all tokens belong to the learner, nothing is pledged against them.
    function test_bounds_mostThatCanBeBudgeted() public {
        giveBalance(learner, MOST - token.balanceOf(address(idml)));
        Terms memory agreed = terms();
        agreed.reward = uint96(balanceOf(learner) / UNIT * UNIT);
        setBudget(learner, agreed.reward, 1);
        for (uint256 ballots; ballots < 8; ++ballots) {
            uint256 start = vm.snapshotState();
            settle(makeDeal(agreed, ballots));
            expectSolvent();
            vm.revertToState(start);
            settleCosigned(list(makeDeal(agreed, ballots)));
            expectSolvent();
            vm.revertToState(start);
        }
    }

    function test_bounds_moreThanAnyoneCanHave() public {
        Terms memory agreed = terms();
        agreed.reward = uint96(MOST);
        bytes32 id = idml.hashTerms(agreed);
        (bytes memory a, bytes memory b) = (sign(learner, id), sign(neighbor, id));
        expect(IRecords.InsufficientBalance.selector, learner, BALANCE, MOST);
        idml.open(agreed, 0, a, b);
        setBudget(learner, REWARD, 1);
        Deal memory d = makeDeal(agreed, 7);
        bytes32[] memory signatures = signAll(d);
        expectNothing(IRecords.RewardAboveBudget.selector);
        settle(d, signatures);
    }

    function test_bounds_allOfTheStake() public {
        unstake(neighbor, STAKE - THRESHOLD);
        plays(uint96(THRESHOLD));
    }

    /// @dev Parties that judge themselves are kept out on every path.
    function test_bounds_noSelfDealing() public {
        for (uint256 i; i < 64; ++i) {
            Deal memory d = makeDeal(terms(), 7, LEARNER_SECRET, bytes32(i << 128));
            assertTrue(!isIn(d.committee, learner) && !isIn(d.committee, neighbor), "a party in its own committee");
        }
        Terms memory agreed = terms();
        agreed.neighbor = learner;
        bytes32 id = idml.hashTerms(agreed);
        bytes memory signature = sign(learner, id);
        expect(IRecords.SelfDealing.selector, learner);
        idml.open(agreed, 0, signature, signature);
    }

    /* HELPERS */

    function taskOf(uint16 neighborShareBps, uint16 rejectPotBps) private {
        TaskParams memory p = params();
        (p.neighborShareBps, p.rejectPotBps) = (neighborShareBps, rejectPotBps);
        taskId = idml.createTask(p);
    }

    /// @dev All verdicts on the stepwise path, then on the signed ones if the learner can set the budget.
    function plays(uint96 reward) private {
        Terms memory agreed = terms();
        agreed.reward = reward;
        uint256 start = vm.snapshotState();
        for (uint256 ballots; ballots < 8; ++ballots) {
            Encounter memory e = validating(agreed);
            for (uint256 i; i < 3; ++i) {
                vote(e, e.progress.committee[i], ballots >> i & 1 == 1);
            }
            expectSolvent();
            vm.revertToState(start);
            setBudget(learner, reward, 1);
            settle(makeDeal(agreed, ballots));
            expectSolvent();
            vm.revertToState(start);
        }
    }

    function stakeAll(address who) private {
        uint256 all = balanceOf(who);
        vm.prank(who);
        idml.stake(all);
    }

    function expectSolvent() private view {
        uint256 sum = balanceOf(address(0)) + tokensOf(learner) + tokensOf(neighbor);
        for (uint256 i; i < 5; ++i) {
            sum += tokensOf(validators[i]);
        }
        assertEq(sum, token.balanceOf(address(idml)), "sum of all accounts");
    }
}
