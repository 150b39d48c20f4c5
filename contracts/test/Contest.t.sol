// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {Encounter, IDMLTest, IRecords, Phase, Terms} from "./utils/IDMLTest.sol";

contract ContestTest is IDMLTest {
    /* THE LEARNER IS SILENT */

    function test_contest_inTheFirstSecondOfItsWindow() public {
        Encounter memory e = reported();
        vm.warp(e.since + COMPLETION + 1);
        vm.expectEmit(address(idml));
        emit IRecords.Contested(e.id, block.number);
        contest(e);
        assertEq(lockedOf(neighbor), REWARD, "still locked");
    }

    function test_contest_inTheLastSecondOfItsWindow() public {
        Encounter memory e = reported();
        vm.warp(e.since + 2 * COMPLETION);
        contest(e);
    }

    function test_contest_revertsWhileTheLearnerMayReport() public {
        Encounter memory e = reported();
        vm.warp(e.since + COMPLETION);
        fails(e, abi.encodeWithSelector(IRecords.TooEarly.selector, e.id, e.since + COMPLETION));
        reportAsLearner(e, RESULT);
    }

    function test_contest_revertsOneSecondLate() public {
        Encounter memory e = reported();
        vm.warp(e.since + 2 * COMPLETION + 1);
        fails(e, abi.encodeWithSelector(IRecords.TooLate.selector, e.id, e.since + 2 * COMPLETION));
        finalize(e);
    }

    /* THE LEARNER DENIES */

    function test_contest_afterADisputeAtOnce() public {
        Encounter memory e = disputed();
        vm.expectEmit(address(idml));
        emit IRecords.Contested(e.id, block.number);
        contest(e);
    }

    function test_contest_afterADisputeInTheLastSecond() public {
        Encounter memory e = disputed();
        vm.warp(e.since + COMPLETION);
        contest(e);
    }

    function test_contest_afterADisputeRevertsOneSecondLate() public {
        Encounter memory e = disputed();
        vm.warp(e.since + COMPLETION + 1);
        fails(e, abi.encodeWithSelector(IRecords.TooLate.selector, e.id, e.since + COMPLETION));
        finalize(e);
    }

    /* WHO AND WHEN */

    function test_contest_revertsForOthers() public {
        Encounter memory e = disputed();
        address[2] memory others = [learner, validators[0]];
        for (uint256 i; i < 2; ++i) {
            vm.prank(others[i]);
            expect(IRecords.NotAParty.selector, others[i]);
            idml.contest(e.progress);
        }
    }

    function test_contest_revertsWithOpenVoting() public {
        Terms memory agreed = terms();
        agreed.task = openTask();
        Encounter memory e = opened(agreed);
        reportAsNeighbor(e, RESULT);
        vm.warp(e.since + COMPLETION + 1);
        failsInPhase(e, Phase.Reported);
        agreed = terms();
        agreed.task = openTask();
        e = opened(agreed);
        reportAsNeighbor(e, RESULT);
        reportAsLearner(e, OTHER_RESULT);
        failsInPhase(e, Phase.Disputed);
    }

    function test_contest_revertsInAnotherPhase() public {
        Encounter memory e = opened();
        failsInPhase(e, Phase.Open);
        refuse(e);
        failsInPhase(e, Phase.Refused);
        failsInPhase(validating(), Phase.Validating);
        e = disputed();
        contest(e);
        failsInPhase(e, Phase.Contested);
    }

    function test_contest_revertsOnAnotherState() public {
        Encounter memory e = disputed();
        e.progress.result = OTHER_RESULT;
        fails(e, abi.encodeWithSelector(IRecords.StateMismatch.selector, e.id));
    }

    /// @dev Once contested, the learner cannot come back with the secret that gives the committee it likes.
    function test_contest_closesTheReports() public {
        Encounter memory e = reported();
        vm.warp(e.since + COMPLETION + 1);
        contest(e);
        vm.prank(learner);
        expect(IRecords.WrongPhase.selector, e.id, uint256(Phase.Contested));
        idml.report(e.progress, RESULT, LEARNER_SECRET);
    }

    /* HELPERS */

    function reported() private returns (Encounter memory e) {
        e = opened();
        reportAsNeighbor(e, RESULT);
    }

    function disputed() private returns (Encounter memory e) {
        e = reported();
        reportAsLearner(e, OTHER_RESULT);
    }

    function fails(Encounter memory e, bytes memory reason) private {
        vm.prank(neighbor);
        vm.expectRevert(reason);
        idml.contest(e.progress);
    }

    function failsInPhase(Encounter memory e, Phase phase) private {
        fails(e, abi.encodeWithSelector(IRecords.WrongPhase.selector, e.id, phase));
    }
}
