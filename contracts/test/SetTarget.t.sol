// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {Account, Encounter, IDMLTest, IRecords} from "./utils/IDMLTest.sol";

contract SetTargetTest is IDMLTest {
    uint256 private constant PAY = 8e18; // 80 % of the reward.

    function test_setTarget() public {
        vm.expectEmit(address(idml));
        emit IRecords.TargetSet(learner, 7);
        setTarget(learner, 7);
        Account memory a = idml.account(learner);
        assertEq(a.target, 7, "target");
        assertEq(a.balance, BALANCE, "balance");
        setTarget(learner, type(uint96).max);
        assertEq(idml.account(learner).target, type(uint96).max, "the largest target");
    }

    function testFuzz_setTarget_splitsRewards(uint256 target) public {
        target = bound(target, STAKE - 1e18, STAKE + PAY + 1e18);
        setTarget(neighbor, target);
        Encounter memory e = validating();
        for (uint256 i; i < 3; ++i) {
            vote(e, e.progress.committee[i], true);
        }
        uint256 room = target > STAKE ? target - STAKE : 0;
        uint256 toStake = room < PAY ? room : PAY;
        assertEq(stakeOf(neighbor), STAKE + toStake, "stake");
        assertEq(balanceOf(neighbor), BALANCE + PAY - toStake, "balance");
    }
}
