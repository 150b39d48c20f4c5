// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {Encounter, IDMLTest, IRecords} from "./utils/IDMLTest.sol";

contract FlushTest is IDMLTest {
    function test_flush_burnsWhatAccountZeroHolds() public {
        Encounter memory e = validating();
        for (uint256 i; i < 3; ++i) {
            vote(e, e.progress.committee[i], false);
        }
        uint256 burnt = REWARD * 60 / 100; // All but the 40 % that validators get.
        assertEq(balanceOf(address(0)), burnt, "account 0");
        (uint256 supply, uint256 held) = (token.totalSupply(), token.balanceOf(address(idml)));

        vm.expectEmit(address(idml));
        emit IRecords.Flushed(burnt);
        idml.flush();

        assertEq(balanceOf(address(0)), 0, "account 0 when flushed");
        assertEq(token.totalSupply(), supply - burnt, "supply");
        assertEq(token.balanceOf(address(idml)), held - burnt, "held");
    }

    function test_flush_revertsForNothing() public {
        expect(IRecords.ZeroAmount.selector);
        idml.flush();
    }
}
