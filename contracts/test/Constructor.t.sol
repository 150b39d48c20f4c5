// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {IDMLTest} from "./utils/IDMLTest.sol";

contract ConstructorTest is IDMLTest {
    function test_constructor() public view {
        assertEq(idml.token(), address(token), "token");
        assertEq(idml.stakeThreshold(), THRESHOLD, "threshold");
        assertEq(idml.unbondingDelay(), DELAY, "delay");
    }

    function test_constructor_theDelayOutlastsEveryEncounter() public {
        deploys(6 days + 1);
        deploys(365 days);
        fails(6 days);
        fails(365 days + 1);
    }

    function deploys(uint256 delay) private {
        vm.deployCode("IDML.sol:IDML", abi.encode(token, THRESHOLD, delay));
    }

    function fails(uint256 delay) private {
        vm.expectRevert(
            abi.encodeWithSignature(
                "InvalidUnbondingDelay(uint256,uint256,uint256)", delay, uint256(6 days), uint256(365 days)
            )
        );
        deploys(delay);
    }
}
