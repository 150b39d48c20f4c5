// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {Encounter, IDMLTest, IIDML, Phase, Report, Terms} from "./utils/IDMLTest.sol";

contract ReportTest is IDMLTest {
    /* THE NEIGHBOR'S */

    function test_report_byTheNeighbor() public {
        Encounter memory e = opened();
        vm.warp(block.timestamp + COMPLETION);
        vm.expectEmit(address(idml));
        emit IIDML.Reported(e.id, neighbor, RESULT, NEIGHBOR_SECRET);
        reportAsNeighbor(e, RESULT);
    }

    function test_report_byTheNeighborItself() public {
        Encounter memory e = opened();
        vm.prank(neighbor);
        idml.report(e.terms, e.progress, neighbor, RESULT, NEIGHBOR_SECRET, NO_SIGNATURE);
        afterNeighbor(e, RESULT);
    }

    function test_report_byTheNeighborRevertsOneSecondLate() public {
        Encounter memory e = opened();
        vm.warp(block.timestamp + COMPLETION + 1);
        vm.prank(neighbor);
        expect(IIDML.TooLate.selector, e.id, e.progress.since + COMPLETION);
        idml.report(e.terms, e.progress, neighbor, RESULT, NEIGHBOR_SECRET, NO_SIGNATURE);
    }

    function test_report_afterARefusalRevertsOneSecondLate() public {
        Encounter memory e = opened();
        refuse(e);
        vm.warp(block.timestamp + COMPLETION + 1);
        vm.prank(neighbor);
        expect(IIDML.TooLate.selector, e.id, e.progress.since + COMPLETION);
        idml.report(e.terms, e.progress, neighbor, RESULT, NEIGHBOR_SECRET, NO_SIGNATURE);
    }

    function test_report_byTheNeighborRevertsTheSecondTime() public {
        Encounter memory e = opened();
        reportAsNeighbor(e, RESULT);
        vm.prank(neighbor);
        expect(IIDML.WrongPhase.selector, e.id, uint256(Phase.Reported));
        idml.report(e.terms, e.progress, neighbor, RESULT, NEIGHBOR_SECRET, NO_SIGNATURE);
    }

    function test_report_byTheNeighborRevertsOnAWrongSecret() public {
        Encounter memory e = opened();
        vm.prank(neighbor);
        expect(IIDML.WrongSecret.selector, neighbor);
        idml.report(e.terms, e.progress, neighbor, RESULT, LEARNER_SECRET, NO_SIGNATURE);
    }

    function test_report_revertsOnASignatureForAnotherResult() public {
        Encounter memory e = opened();
        bytes memory signature = signReport(e, neighbor, OTHER_RESULT, NEIGHBOR_SECRET);
        expect(IIDML.InvalidSignature.selector, neighbor);
        idml.report(e.terms, e.progress, neighbor, RESULT, NEIGHBOR_SECRET, signature);
    }

    /* THE LEARNER'S */

    function test_report_byTheLearnerStartsTheValidation() public {
        Encounter memory e = opened();
        reportAsNeighbor(e, RESULT);
        vm.warp(block.timestamp + COMPLETION);
        bytes32 seed = keccak256(abi.encode(LEARNER_SECRET, NEIGHBOR_SECRET));
        address[] memory committee = idml.committeeOf(e.terms, seed);
        assertEq(committee.length, 3, "committee");
        bytes memory signature = signReport(e, learner, RESULT, LEARNER_SECRET);

        vm.expectEmit(address(idml));
        emit IIDML.Reported(e.id, learner, RESULT, LEARNER_SECRET);
        vm.expectEmit(address(idml));
        emit IIDML.ValidationStarted(e.id, seed, committee);
        idml.report(e.terms, e.progress, learner, RESULT, LEARNER_SECRET, signature);

        afterLearner(e, RESULT);
    }

    function test_report_ofAnotherResultStartsADispute() public {
        Encounter memory e = opened();
        reportAsNeighbor(e, RESULT);
        bytes memory signature = signReport(e, learner, OTHER_RESULT, LEARNER_SECRET);

        vm.expectEmit(address(idml));
        emit IIDML.Reported(e.id, learner, OTHER_RESULT, LEARNER_SECRET);
        vm.expectEmit(address(idml));
        emit IIDML.Disputed(e.id);
        idml.report(e.terms, e.progress, learner, OTHER_RESULT, LEARNER_SECRET, signature);

        afterLearner(e, OTHER_RESULT);
        vm.prank(learner);
        expect(IIDML.WrongPhase.selector, e.id, uint256(Phase.Disputed));
        idml.report(e.terms, e.progress, learner, RESULT, LEARNER_SECRET, NO_SIGNATURE);
    }

    function test_report_withOpenVotingDrawsNobody() public {
        Terms memory agreed = terms();
        agreed.task = openTask();
        Encounter memory e = validating(agreed);
        assertEq(e.progress.committee.length, 0, "committee");
    }

    function test_report_byTheLearnerRevertsOneSecondLate() public {
        Encounter memory e = opened();
        reportAsNeighbor(e, RESULT);
        vm.warp(block.timestamp + COMPLETION + 1);
        vm.prank(learner);
        expect(IIDML.TooLate.selector, e.id, e.progress.since + COMPLETION);
        idml.report(e.terms, e.progress, learner, RESULT, LEARNER_SECRET, NO_SIGNATURE);
    }

    function test_report_byTheLearnerRevertsBeforeTheNeighbor() public {
        Encounter memory e = opened();
        vm.prank(learner);
        expect(IIDML.WrongPhase.selector, e.id, uint256(Phase.Open));
        idml.report(e.terms, e.progress, learner, RESULT, LEARNER_SECRET, NO_SIGNATURE);
    }

    function test_report_byTheLearnerRevertsOnAWrongSecret() public {
        Encounter memory e = opened();
        reportAsNeighbor(e, RESULT);
        vm.prank(learner);
        expect(IIDML.WrongSecret.selector, learner);
        idml.report(e.terms, e.progress, learner, RESULT, NEIGHBOR_SECRET, NO_SIGNATURE);
    }

    /// @dev The learner's signature names the neighbor's report, so the neighbor cannot report again.
    function test_report_byTheLearnerRevertsOnAnotherPrevious() public {
        Encounter memory e = opened();
        reportAsNeighbor(e, RESULT);
        bytes memory signature = sign(learner, idml.hashReport(Report(e.id, learner, RESULT, LEARNER_SECRET, 0)));
        expect(IIDML.InvalidSignature.selector, learner);
        idml.report(e.terms, e.progress, learner, RESULT, LEARNER_SECRET, signature);
    }

    /* ANYONE'S */

    function test_report_revertsForOthers() public {
        Encounter memory e = opened();
        expect(IIDML.NotAParty.selector, validators[0]);
        idml.report(e.terms, e.progress, validators[0], RESULT, NEIGHBOR_SECRET, NO_SIGNATURE);
    }

    function test_report_revertsWithoutSignatureOfAnother() public {
        Encounter memory e = opened();
        vm.prank(learner);
        expect(IIDML.InvalidSignature.selector, neighbor);
        idml.report(e.terms, e.progress, neighbor, RESULT, NEIGHBOR_SECRET, NO_SIGNATURE);
    }

    function test_report_revertsOnAnotherState() public {
        Encounter memory e = opened();
        e.progress.phase = Phase.Refused;
        vm.prank(neighbor);
        expect(IIDML.StateMismatch.selector, e.id);
        idml.report(e.terms, e.progress, neighbor, RESULT, NEIGHBOR_SECRET, NO_SIGNATURE);
    }

    function test_report_revertsWhenNeverOpened() public {
        Encounter memory e;
        e.terms = terms();
        e.id = idml.hashTerms(e.terms);
        vm.prank(neighbor);
        expect(IIDML.StateMismatch.selector, e.id);
        idml.report(e.terms, e.progress, neighbor, RESULT, NEIGHBOR_SECRET, NO_SIGNATURE);
    }
}
