// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {Deal, DealTest} from "./utils/DealTest.sol";
import {Account, Encounter, TaskParams, Terms} from "./utils/IDMLTest.sol";

/// @notice One encounter, settled on every path there is: all must leave the same behind.
contract PathsTest is DealTest {
    /// @dev Cases 2 to 5 with V votes. Left out is what says how it was paid: nonces and budget.
    function testFuzz_paths_endInTheSameState(
        uint256 random,
        uint96 reward,
        uint256 ballots,
        uint256 shares,
        uint256 targets
    ) public {
        taskId = idml.createTask(anyTask(random, shares));
        Terms memory agreed = terms();
        agreed.reward = uint96(bound(reward, 0, STAKE));
        Deal memory d = makeDeal(agreed, bound(ballots, 0, 7));
        for (uint256 i; i < 7; ++i) {
            if (targets >> i & 1 == 1) setTarget(everyone(i), bound(targets >> 8, 0, 2 * STAKE));
            // Some stand so close to the threshold that they lose their seat.
            if (targets >> (128 + i) & 1 == 1) unstake(everyone(i), i == 6 ? STAKE - agreed.reward : STAKE / 2);
            if (stakeOf(everyone(i)) < THRESHOLD) restake(everyone(i));
        }

        uint256 start = vm.snapshotState();
        stepwise(d, false);
        bytes32 expected = everything();
        expectSolvent();

        vm.revertToState(start);
        stepwise(d, true);
        assertEq(everything(), expected, "reported both at once");

        vm.revertToState(start);
        setBudget(learner, roundUp(agreed.reward), 1);
        start = vm.snapshotState();
        settle(d);
        assertEq(everything(), expected, "signed");

        vm.revertToState(start);
        settleBatch(list(d));
        assertEq(everything(), expected, "in a batch");

        vm.revertToState(start);
        settleCosigned(list(d));
        assertEq(everything(), expected, "co-signed");
    }

    /* PATHS */

    function stepwise(Deal memory d, bool atOnce) private {
        Encounter memory e = opened(d.terms);
        if (atOnce) {
            reportBoth(e);
        } else {
            reportAsNeighbor(e, RESULT);
            reportAsLearner(e, RESULT);
        }
        for (uint256 i; i < d.committee.length; ++i) {
            vote(e, d.committee[i], d.ballots >> i & 1 == 1);
        }
        assertEq(stateOf(e), FREE, "over");
    }

    /* HELPERS */

    function anyTask(uint256 random, uint256 shares) private pure returns (TaskParams memory p) {
        p = params();
        p.neighborShareBps = uint16(bound(uint64(shares), 0, 10_000));
        p.rejectPotBps = uint16(bound(uint64(shares >> 64), 0, 10_000));
        p.goodFaithBps = uint16(bound(uint64(shares >> 128), 0, 10_000));
        p.noVoteBps = uint16(bound(uint64(shares >> 192), 0, 10_000));
        p.votes = uint8(2 + random % 2); // Two can tie.
        p.committeeSize = uint8(p.votes + (random >> 8) % 3);
        p.quorum = uint8(1 + (random >> 16) % p.votes);
        p.tieAccepts = random >> 255 == 1;
    }

    function restake(address who) private {
        uint256 missing = THRESHOLD - stakeOf(who);
        vm.prank(who);
        idml.stake(missing);
    }

    function everyone(uint256 i) private view returns (address) {
        return i < 5 ? validators[i] : i == 5 ? learner : neighbor;
    }

    function everything() private view returns (bytes32 digest) {
        digest = keccak256(abi.encode(balanceOf(address(0)), token.totalSupply(), idml.seatCount()));
        for (uint256 i; i < 7; ++i) {
            Account memory a = idml.account(everyone(i));
            (a.nonceBase, a.nonceWindow, a.budgetReward, a.budgetNonces) = (0, 0, 0, 0);
            digest = keccak256(abi.encode(digest, a, idml.history(everyone(i)), idml.seat(i)));
        }
    }

    function expectSolvent() private view {
        uint256 sum = balanceOf(address(0));
        for (uint256 i; i < 7; ++i) {
            sum += tokensOf(everyone(i));
        }
        assertEq(sum, token.balanceOf(address(idml)), "sum of all accounts");
    }
}
