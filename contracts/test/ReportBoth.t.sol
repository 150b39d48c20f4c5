// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {Encounter, IDMLTest, IRecords, Phase, Terms} from "./utils/IDMLTest.sol";

contract ReportBothTest is IDMLTest {
    function test_reportBoth() public {
        Encounter memory e = opened();
        vm.warp(block.timestamp + COMPLETION);
        bytes32 seed = keccak256(abi.encode(LEARNER_SECRET, NEIGHBOR_SECRET));
        address[] memory committee = idml.committeeOf(e.terms, seed);
        assertEq(committee.length, 3, "committee");
        bytes memory signature = signReport(e, neighbor, RESULT, NEIGHBOR_SECRET);

        vm.expectEmit(address(idml));
        emit IRecords.Reported(e.id, neighbor, RESULT, NEIGHBOR_SECRET);
        vm.expectEmit(address(idml));
        emit IRecords.ValidationStarted(e.id, LEARNER_SECRET, committee);
        vm.prank(learner);
        idml.reportBoth(e.progress, RESULT, NEIGHBOR_SECRET, LEARNER_SECRET, signature, NO_SIGNATURE);

        e.progress.result = RESULT;
        afterBoth(e, seed);
    }

    /// @dev The same state as by two calls.
    function test_reportBoth_isTwoReports() public {
        Encounter memory e = opened();
        uint256 start = vm.snapshotState();
        reportBoth(e);
        bytes32 state = stateOf(e);
        vm.revertToState(start);
        (e.phase, e.progress.committee) = (Phase.Open, new address[](0));
        (e.progress.learnerWord, e.progress.neighborWord, e.progress.result) =
        (e.terms.learnerCommitment, e.terms.neighborCommitment, 0);
        pack(e);
        reportAsNeighbor(e, RESULT);
        reportAsLearner(e, RESULT);
        assertEq(stateOf(e), state, "state");
    }

    function test_reportBoth_voidsARefusal() public {
        Encounter memory e = opened();
        refuse(e);
        vm.warp(block.timestamp + COMPLETION);
        reportBoth(e);
        assertEq(e.progress.committee.length, 3, "committee");
    }

    function test_reportBoth_withOpenVotingDrawsNobody() public {
        Terms memory agreed = terms();
        agreed.task = openTask();
        Encounter memory e = opened(agreed);
        reportBoth(e);
        assertEq(e.progress.committee.length, 0, "committee");
    }

    function test_reportBoth_belowTheQuorumEndsTheEncounter() public {
        for (uint256 i; i < 4; ++i) {
            unstake(validators[i], STAKE);
        }
        vm.warp(block.timestamp + 1);
        Encounter memory e = opened();
        reportBoth(e);
        assertTrue(e.phase == Phase.None, "over");
        expectMoney(learner, BALANCE, STAKE);
        expectMoney(neighbor, BALANCE, STAKE);
    }

    /// @dev A neighbor that dislikes the committee gains no other by reporting another result first.
    function test_reportBoth_overridesAnotherReportOfTheNeighbor() public {
        Encounter memory e = opened();
        reportAsNeighbor(e, OTHER_RESULT);
        vm.warp(block.timestamp + COMPLETION);
        reportBoth(e);
        assertEq(e.progress.result, RESULT, "result");
        assertEq(e.progress.committee.length, 3, "committee");
    }

    /// @dev A learner that signed its Report cannot deny afterwards.
    function test_reportBoth_overridesADenial() public {
        Encounter memory e = opened();
        deniedAfterAgreeing(e);
        assertEq(e.progress.committee.length, 3, "committee");
    }

    /// @dev Nobody can end the encounter between the denial and the neighbor's answer.
    function test_reportBoth_overridesADenialWithOpenVoting() public {
        Terms memory agreed = terms();
        agreed.task = openTask();
        Encounter memory e = opened(agreed);
        deniedAfterAgreeing(e);
        assertTrue(e.phase == Phase.Validating, "phase");
    }

    function test_reportBoth_byAnyoneWithBothSignatures() public {
        Encounter memory e = opened();
        bytes memory signature = signReport(e, neighbor, RESULT, NEIGHBOR_SECRET);
        bytes memory agreed = signAgreement(e);
        vm.prank(newActor("relay"));
        idml.reportBoth(e.progress, RESULT, NEIGHBOR_SECRET, LEARNER_SECRET, signature, agreed);
        e.progress.result = RESULT;
        afterBoth(e, keccak256(abi.encode(LEARNER_SECRET, NEIGHBOR_SECRET)));
    }

    function test_reportBoth_revertsWithoutTheLearnersSignature() public {
        Encounter memory e = opened();
        bytes memory signature = signReport(e, neighbor, RESULT, NEIGHBOR_SECRET);
        address[2] memory others = [neighbor, validators[0]];
        bytes memory wrong = abi.encodeWithSelector(IRecords.InvalidSignature.selector, learner);
        for (uint256 i; i < 2; ++i) {
            fails(e, others[i], LEARNER_SECRET, signature, wrong);
            vm.prank(others[i]);
            vm.expectRevert(wrong);
            idml.reportBoth(e.progress, RESULT, NEIGHBOR_SECRET, LEARNER_SECRET, signature, signature);
        }
    }

    function test_reportBoth_revertsOneSecondLate() public {
        Encounter memory e = opened();
        bytes memory signature = signReport(e, neighbor, RESULT, NEIGHBOR_SECRET);
        vm.warp(block.timestamp + COMPLETION + 1);
        bytes memory late = abi.encodeWithSelector(IRecords.TooLate.selector, e.id, e.since + COMPLETION);
        fails(e, learner, LEARNER_SECRET, signature, late);
    }

    function test_reportBoth_revertsInAnotherPhase() public {
        Encounter memory e = opened();
        bytes memory signature = signReport(e, neighbor, RESULT, NEIGHBOR_SECRET);
        reportAsNeighbor(e, OTHER_RESULT);
        vm.warp(block.timestamp + COMPLETION + 1);
        contest(e);
        bytes memory wrong = abi.encodeWithSelector(IRecords.WrongPhase.selector, e.id, Phase.Contested);
        fails(e, learner, LEARNER_SECRET, signature, wrong);
        nextBlocks(3);
        draw(e);
        wrong = abi.encodeWithSelector(IRecords.WrongPhase.selector, e.id, Phase.Validating);
        fails(e, learner, LEARNER_SECRET, signature, wrong);
    }

    function test_reportBoth_revertsOnAnotherSecretThanTheOneReported() public {
        Encounter memory e = opened();
        reportAsNeighbor(e, OTHER_RESULT);
        bytes memory signature = signReport(e, neighbor, RESULT, LEARNER_SECRET);
        vm.prank(learner);
        expect(IRecords.WrongSecret.selector, neighbor);
        idml.reportBoth(e.progress, RESULT, LEARNER_SECRET, LEARNER_SECRET, signature, NO_SIGNATURE);
    }

    function test_reportBoth_revertsOnAWrongSecret() public {
        Encounter memory e = opened();
        bytes memory signature = signReport(e, neighbor, RESULT, LEARNER_SECRET);
        vm.prank(learner);
        expect(IRecords.WrongSecret.selector, neighbor);
        idml.reportBoth(e.progress, RESULT, LEARNER_SECRET, LEARNER_SECRET, signature, NO_SIGNATURE);
        signature = signReport(e, neighbor, RESULT, NEIGHBOR_SECRET);
        bytes memory wrong = abi.encodeWithSelector(IRecords.WrongSecret.selector, learner);
        fails(e, learner, NEIGHBOR_SECRET, signature, wrong);
    }

    function test_reportBoth_revertsOnASignatureForAnotherResult() public {
        Encounter memory e = opened();
        bytes memory signature = signReport(e, neighbor, OTHER_RESULT, NEIGHBOR_SECRET);
        bytes memory wrong = abi.encodeWithSelector(IRecords.InvalidSignature.selector, neighbor);
        fails(e, learner, LEARNER_SECRET, signature, wrong);
        fails(e, learner, LEARNER_SECRET, NO_SIGNATURE, wrong);
    }

    function test_reportBoth_revertsOnAnotherState() public {
        Encounter memory e = opened();
        bytes memory signature = signReport(e, neighbor, RESULT, NEIGHBOR_SECRET);
        e.progress.reward += 1;
        fails(e, learner, LEARNER_SECRET, signature, abi.encodeWithSelector(IRecords.StateMismatch.selector, e.id));
    }

    /// @dev The learner signs its Report, denies, and the neighbor brings both in the last second.
    function deniedAfterAgreeing(Encounter memory e) private {
        reportAsNeighbor(e, RESULT);
        bytes memory agreed = signAgreement(e);
        bytes memory signature = signReport(e, neighbor, RESULT, NEIGHBOR_SECRET);
        reportAsLearner(e, OTHER_RESULT);
        vm.warp(block.timestamp + COMPLETION);
        expect(IRecords.TooEarly.selector, e.id, block.timestamp);
        idml.finalize(e.progress);
        vm.prank(neighbor);
        idml.reportBoth(e.progress, RESULT, NEIGHBOR_SECRET, LEARNER_SECRET, signature, agreed);
        afterBoth(e, keccak256(abi.encode(LEARNER_SECRET, NEIGHBOR_SECRET)));
    }

    function fails(Encounter memory e, address who, bytes32 secret, bytes memory signature, bytes memory reason)
        private
    {
        vm.prank(who);
        vm.expectRevert(reason);
        idml.reportBoth(e.progress, RESULT, NEIGHBOR_SECRET, secret, signature, NO_SIGNATURE);
    }
}
