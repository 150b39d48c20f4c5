// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {Encounter, IDMLTest, IRecords, Phase} from "./utils/IDMLTest.sol";

contract RejectTest is IDMLTest {
    function test_reject_atTheLastMoment() public {
        Encounter memory e = opened();
        vm.warp(block.timestamp + COMPLETION);
        vm.expectEmit(address(idml));
        emit IRecords.Refused(e.id);
        refuse(e);
        assertEq(lockedOf(neighbor), REWARD, "still locked");
    }

    function test_reject_revertsOneSecondLate() public {
        Encounter memory e = opened();
        vm.warp(block.timestamp + COMPLETION + 1);
        vm.prank(neighbor);
        expect(IRecords.TooLate.selector, e.id, e.since + COMPLETION);
        idml.reject(e.progress);
    }

    function test_reject_revertsForOthers() public {
        Encounter memory e = opened();
        vm.prank(learner);
        expect(IRecords.NotAParty.selector, learner);
        idml.reject(e.progress);
    }

    function test_reject_revertsInAnotherPhase() public {
        Encounter memory e = opened();
        refuse(e);
        vm.prank(neighbor);
        expect(IRecords.WrongPhase.selector, e.id, uint256(Phase.Refused));
        idml.reject(e.progress);
        reportAsNeighbor(e, RESULT);
        vm.prank(neighbor);
        expect(IRecords.WrongPhase.selector, e.id, uint256(Phase.Reported));
        idml.reject(e.progress);
    }

    function test_reject_revertsOnAnotherState() public {
        Encounter memory e = opened();
        e.since += 1;
        pack(e);
        vm.prank(neighbor);
        expect(IRecords.StateMismatch.selector, e.id);
        idml.reject(e.progress);
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
