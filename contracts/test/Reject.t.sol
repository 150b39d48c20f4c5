// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {Encounter, IDMLTest, IIDML, Phase} from "./utils/IDMLTest.sol";

contract RejectTest is IDMLTest {
    function test_reject_atTheLastMoment() public {
        Encounter memory e = opened();
        vm.warp(block.timestamp + COMPLETION);
        vm.expectEmit(address(idml));
        emit IIDML.Refused(e.id);
        refuse(e);
        assertEq(lockedOf(neighbor), REWARD, "still locked");
    }

    function test_reject_revertsOneSecondLate() public {
        Encounter memory e = opened();
        vm.warp(block.timestamp + COMPLETION + 1);
        vm.prank(neighbor);
        expect(IIDML.TooLate.selector, e.id, e.progress.since + COMPLETION);
        idml.reject(e.terms, e.progress);
    }

    function test_reject_revertsForOthers() public {
        Encounter memory e = opened();
        vm.prank(learner);
        expect(IIDML.NotAParty.selector, learner);
        idml.reject(e.terms, e.progress);
    }

    function test_reject_revertsInAnotherPhase() public {
        Encounter memory e = opened();
        refuse(e);
        vm.prank(neighbor);
        expect(IIDML.WrongPhase.selector, e.id, uint256(Phase.Refused));
        idml.reject(e.terms, e.progress);
        reportAsNeighbor(e, RESULT);
        vm.prank(neighbor);
        expect(IIDML.WrongPhase.selector, e.id, uint256(Phase.Reported));
        idml.reject(e.terms, e.progress);
    }

    function test_reject_revertsOnAnotherState() public {
        Encounter memory e = opened();
        e.progress.since += 1;
        vm.prank(neighbor);
        expect(IIDML.StateMismatch.selector, e.id);
        idml.reject(e.terms, e.progress);
    }

    function test_reject_isVoidedByAReport() public {
        Encounter memory e = opened();
        vm.warp(block.timestamp + COMPLETION);
        refuse(e);
        vm.warp(block.timestamp + COMPLETION);
        reportAsNeighbor(e, RESULT);
        vm.warp(block.timestamp + COMPLETION);
        reportAsLearner(e, RESULT);
        assertEq(e.progress.committee.length, 3, "committee");
    }
}
