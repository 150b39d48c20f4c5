// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {Account, IDMLTest, IRecords} from "./utils/IDMLTest.sol";

contract CompleteUnstakeTest is IDMLTest {
    function test_completeUnstake_atTheReleaseTime() public {
        unstake(neighbor, 5e18);
        vm.warp(block.timestamp + DELAY);
        vm.expectEmit(address(idml));
        emit IRecords.Unstaked(neighbor, 5e18);
        vm.prank(neighbor);
        idml.completeUnstake();
        Account memory a = idml.account(neighbor);
        assertEq(a.balance, BALANCE + 5e18, "balance");
        assertEq(a.unbonding, 0, "unbonding");
        assertEq(a.releaseAt, 0, "release");
    }

    function test_completeUnstake_revertsOneSecondEarly() public {
        unstake(neighbor, 5e18);
        vm.warp(block.timestamp + DELAY - 1);
        vm.prank(neighbor);
        expect(IRecords.StillUnbonding.selector, neighbor, block.timestamp + 1);
        idml.completeUnstake();
    }

    function test_completeUnstake_revertsForNothing() public {
        vm.prank(neighbor);
        expect(IRecords.NothingUnbonding.selector, neighbor);
        idml.completeUnstake();
    }
}
