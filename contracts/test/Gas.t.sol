// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {Encounter, IDMLTest, Phase, Terms} from "./utils/IDMLTest.sol";

/// @notice What one encounter costs, each step a transaction of its own: calldata and the base fee counted, parties and
/// validators paying from slots that are in use already.
/// forge-config: default.isolate = true
contract GasTest is IDMLTest {
    uint256 private constant LIMIT = 410_000;

    event log_named_uint(string name, uint256 gas);

    function test_gas_ofOneEncounter() public {
        for (uint256 i; i < validators.length; ++i) {
            setTarget(validators[i], STAKE);
        }
        setTarget(neighbor, STAKE);
        play();
        assertLe(play(), LIMIT, "gas of an encounter");
    }

    /// @dev Parties call for themselves, so no signature but the neighbor's on the Terms is needed.
    function play() private returns (uint256 total) {
        Terms memory agreed = terms();
        Encounter memory e;
        (e.terms, e.id) = (agreed, idml.hashTerms(agreed));
        bytes memory signature = sign(neighbor, e.id);
        vm.prank(learner);
        idml.open(agreed, NO_SIGNATURE, signature);
        total += spent("open");
        begin(e, Phase.Open);

        vm.prank(neighbor);
        idml.report(agreed, e.progress, neighbor, RESULT, NEIGHBOR_SECRET, NO_SIGNATURE);
        total += spent("report of the neighbor");
        afterNeighbor(e, RESULT);

        vm.prank(learner);
        idml.report(agreed, e.progress, learner, RESULT, LEARNER_SECRET, NO_SIGNATURE);
        total += spent("report of the learner");
        afterLearner(e, RESULT);

        for (uint256 i; i < 3; ++i) {
            address validator = e.progress.committee[i];
            vm.prank(validator);
            idml.vote(agreed, e.progress, validator, true, NO_SIGNATURE);
            total += spent("vote");
            addBallot(e.progress, validator, true);
        }
    }

    function spent(string memory step) private returns (uint256 gas) {
        gas = vm.lastCallGas().gasTotalUsed;
        emit log_named_uint(step, gas);
    }
}
