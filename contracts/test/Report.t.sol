// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {Encounter, History, IDMLTest, IRecords, Outcome, Phase, Report, Terms} from "./utils/IDMLTest.sol";

contract ReportTest is IDMLTest {
    /* THE NEIGHBOR'S */

    function test_report_byTheNeighbor() public {
        Encounter memory e = opened();
        vm.warp(block.timestamp + COMPLETION);
        vm.expectEmit(address(idml));
        emit IRecords.Reported(e.id, neighbor, RESULT, NEIGHBOR_SECRET);
        reportAsNeighbor(e, RESULT);
    }

    function test_report_byTheNeighborItself() public {
        Encounter memory e = opened();
        vm.prank(neighbor);
        idml.report(e.progress, RESULT, NEIGHBOR_SECRET);
        afterNeighbor(e, RESULT);
    }

    function test_report_byTheNeighborRevertsOneSecondLate() public {
        Encounter memory e = opened();
        vm.warp(block.timestamp + COMPLETION + 1);
        vm.prank(neighbor);
        expect(IRecords.TooLate.selector, e.id, e.since + COMPLETION);
        idml.report(e.progress, RESULT, NEIGHBOR_SECRET);
    }

    function test_report_afterARefusalRevertsOneSecondLate() public {
        Encounter memory e = opened();
        refuse(e);
        vm.warp(block.timestamp + COMPLETION + 1);
        vm.prank(neighbor);
        expect(IRecords.TooLate.selector, e.id, e.since + COMPLETION);
        idml.report(e.progress, RESULT, NEIGHBOR_SECRET);
    }

    function test_report_byTheNeighborRevertsTheSecondTime() public {
        Encounter memory e = opened();
        reportAsNeighbor(e, RESULT);
        vm.prank(neighbor);
        expect(IRecords.WrongPhase.selector, e.id, uint256(Phase.Reported));
        idml.report(e.progress, RESULT, NEIGHBOR_SECRET);
    }

    function test_report_byTheNeighborRevertsOnAWrongSecret() public {
        Encounter memory e = opened();
        vm.prank(neighbor);
        expect(IRecords.WrongSecret.selector, neighbor);
        idml.report(e.progress, RESULT, LEARNER_SECRET);
    }

    function test_report_revertsOnASignatureForAnotherResult() public {
        Encounter memory e = opened();
        bytes memory signature = signReport(e, neighbor, OTHER_RESULT, NEIGHBOR_SECRET);
        expect(IRecords.InvalidSignature.selector, neighbor);
        idml.reportFor(e.progress, neighbor, RESULT, NEIGHBOR_SECRET, signature);
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
        emit IRecords.ValidationStarted(e.id, LEARNER_SECRET, committee);
        idml.reportFor(e.progress, learner, RESULT, LEARNER_SECRET, signature);

        afterLearner(e, RESULT);
    }

    function test_report_ofAnotherResultStartsADispute() public {
        Encounter memory e = opened();
        reportAsNeighbor(e, RESULT);
        bytes memory signature = signReport(e, learner, OTHER_RESULT, LEARNER_SECRET);

        vm.expectEmit(address(idml));
        emit IRecords.Reported(e.id, learner, OTHER_RESULT, LEARNER_SECRET);
        vm.expectEmit(address(idml));
        emit IRecords.Disputed(e.id);
        idml.reportFor(e.progress, learner, OTHER_RESULT, LEARNER_SECRET, signature);

        afterLearner(e, OTHER_RESULT);
        vm.prank(learner);
        expect(IRecords.WrongPhase.selector, e.id, uint256(Phase.Disputed));
        idml.report(e.progress, RESULT, LEARNER_SECRET);
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
        expect(IRecords.TooLate.selector, e.id, e.since + COMPLETION);
        idml.report(e.progress, RESULT, LEARNER_SECRET);
    }

    function test_report_byTheLearnerItself() public {
        Encounter memory e = opened();
        reportAsNeighbor(e, RESULT);
        vm.prank(learner);
        idml.report(e.progress, RESULT, LEARNER_SECRET);
        afterLearner(e, RESULT);
    }

    function test_report_byTheLearnerRevertsBeforeTheNeighbor() public {
        Encounter memory e = opened();
        vm.prank(learner);
        expect(IRecords.WrongPhase.selector, e.id, uint256(Phase.Open));
        idml.report(e.progress, RESULT, LEARNER_SECRET);
    }

    function test_report_byTheLearnerRevertsOnAWrongSecret() public {
        Encounter memory e = opened();
        reportAsNeighbor(e, RESULT);
        vm.prank(learner);
        expect(IRecords.WrongSecret.selector, learner);
        idml.report(e.progress, RESULT, NEIGHBOR_SECRET);
    }

    /// @dev The learner's signature names the neighbor's report, so the neighbor cannot report again.
    function test_report_byTheLearnerRevertsOnAnotherPrevious() public {
        Encounter memory e = opened();
        reportAsNeighbor(e, RESULT);
        bytes memory signature = sign(learner, idml.hashReport(Report(e.id, learner, RESULT, LEARNER_SECRET, 0)));
        expect(IRecords.InvalidSignature.selector, learner);
        idml.reportFor(e.progress, learner, RESULT, LEARNER_SECRET, signature);
    }

    /// @dev Too few judge nobody: all returns at once.
    function test_report_belowTheQuorumEndsTheEncounter() public {
        for (uint256 i; i < 4; ++i) {
            unstake(validators[i], STAKE);
        }
        vm.warp(block.timestamp + 1);
        Encounter memory e = opened();
        reportAsNeighbor(e, RESULT);
        bytes memory signature = signReport(e, learner, RESULT, LEARNER_SECRET);
        address[] memory committee = new address[](1);
        committee[0] = validators[4];

        vm.expectEmit(address(idml));
        emit IRecords.ValidationStarted(e.id, LEARNER_SECRET, committee);
        vm.expectEmit(address(idml));
        emit IRecords.Ended(e.id, Outcome.Incomplete, 0);
        idml.reportFor(e.progress, learner, RESULT, LEARNER_SECRET, signature);

        afterLearner(e, RESULT);
        expectMoney(learner, BALANCE, STAKE);
        expectMoney(neighbor, BALANCE, STAKE);
        expectHistory(learner, History(0, 1, 0, 0, 0, 0, 0, 0));
        expectHistory(neighbor, History(0, 0, 0, 1, 0, 0, 0, 0));
    }

    /* ANYONE'S */

    function test_report_revertsForOthers() public {
        Encounter memory e = opened();
        vm.prank(validators[0]);
        expect(IRecords.NotAParty.selector, validators[0]);
        idml.report(e.progress, RESULT, NEIGHBOR_SECRET);
        bytes memory signature = signReport(e, validators[0], RESULT, NEIGHBOR_SECRET);
        expect(IRecords.NotAParty.selector, validators[0]);
        idml.reportFor(e.progress, validators[0], RESULT, NEIGHBOR_SECRET, signature);
    }

    function test_report_revertsWithoutSignatureOfAnother() public {
        Encounter memory e = opened();
        vm.prank(learner);
        expect(IRecords.InvalidSignature.selector, neighbor);
        idml.reportFor(e.progress, neighbor, RESULT, NEIGHBOR_SECRET, NO_SIGNATURE);
    }

    function test_report_revertsOnAnotherState() public {
        Encounter memory e = opened();
        e.phase = Phase.Refused;
        pack(e);
        vm.prank(neighbor);
        expect(IRecords.StateMismatch.selector, e.id);
        idml.report(e.progress, RESULT, NEIGHBOR_SECRET);
    }

    function test_report_revertsWhenNeverOpened() public {
        Encounter memory e = agreedOn(terms());
        vm.prank(neighbor);
        expect(IRecords.StateMismatch.selector, e.id);
        idml.report(e.progress, RESULT, NEIGHBOR_SECRET);
    }
}
