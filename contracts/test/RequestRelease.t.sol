// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {DealTest} from "./utils/DealTest.sol";
import {IRecords, Release} from "./utils/IDMLTest.sol";

contract RequestReleaseTest is DealTest {
    function setUp() public override {
        super.setUp();
        setBudget(learner, REWARD, 5);
    }

    function test_requestRelease() public {
        uint256 rewardMax = roundUp(REWARD / 2);
        vm.expectEmit(address(idml));
        emit IRecords.ReleaseRequested(learner, rewardMax, 3, 0, 6, block.timestamp + DELAY);
        request(REWARD / 2, 3, 6);
        Release memory r = idml.pendingRelease(learner);
        assertEq(uint256(r.rewardMax) * UNIT, rewardMax, "reward");
        assertEq(r.nonces, 3, "nonces");
        assertEq(r.nonceBase, 0, "base");
        assertEq(r.retired, 6, "retired");
        assertEq(r.releaseAt, block.timestamp + DELAY, "release");
    }

    function test_requestRelease_changesNothingYet() public {
        request(0, 0, type(uint64).max);
        uint256 cover = 5 * roundUp(REWARD);
        vm.prank(learner);
        expect(IRecords.InsufficientBalance.selector, learner, BALANCE, BALANCE + 1);
        idml.withdraw(BALANCE - cover + 1);
        settle(makeDeal(7));
    }

    function test_requestRelease_replacesAnEarlierOne() public {
        request(0, 0, 1);
        vm.warp(block.timestamp + DELAY);
        request(REWARD, 2, 2);
        Release memory r = idml.pendingRelease(learner);
        assertEq(r.retired, 2, "retired");
        assertEq(r.releaseAt, block.timestamp + DELAY, "release");
    }

    function test_requestRelease_revertsBeyondTheBounds() public {
        vm.prank(learner);
        vm.expectRevert(abi.encodeWithSelector(IRecords.BudgetTooLarge.selector, 1, 65));
        idml.requestRelease(1, 65, 0);
        vm.prank(learner);
        vm.expectRevert(abi.encodeWithSelector(IRecords.BudgetTooLarge.selector, type(uint96).max, 0));
        idml.requestRelease(type(uint96).max, 0, 0);
    }

    function request(uint96 rewardMax, uint8 nonces, uint64 retired) private {
        vm.prank(learner);
        idml.requestRelease(rewardMax, nonces, retired);
    }
}
