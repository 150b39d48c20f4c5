// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {TaskParams} from "../interfaces/IIDML.sol";

using Rules for Rule global;

/// @notice A task in one word: `TaskParams` packed from the low end, first field first, as Solidity stores it.
type Rule is uint256;

/// @title Rules
/// @notice Reads a task in one word, which open encounters carry along instead of looking it up at every step.
library Rules {
    /// @notice The word in which Solidity stores a task; zero if it does not exist.
    function load(TaskParams storage params) internal view returns (Rule rule) {
        assembly ("memory-safe") {
            rule := sload(params.slot)
        }
    }

    function exists(Rule rule) internal pure returns (bool) {
        return Rule.unwrap(rule) != 0;
    }

    function neighborShareBps(Rule rule) internal pure returns (uint256) {
        return uint16(Rule.unwrap(rule));
    }

    function goodFaithBps(Rule rule) internal pure returns (uint256) {
        return uint16(Rule.unwrap(rule) >> 16);
    }

    function noVoteBps(Rule rule) internal pure returns (uint256) {
        return uint16(Rule.unwrap(rule) >> 32);
    }

    function rejectPotBps(Rule rule) internal pure returns (uint256) {
        return uint16(Rule.unwrap(rule) >> 48);
    }

    function votes(Rule rule) internal pure returns (uint256) {
        return uint8(Rule.unwrap(rule) >> 64);
    }

    function committeeSize(Rule rule) internal pure returns (uint256) {
        return uint8(Rule.unwrap(rule) >> 72);
    }

    function quorum(Rule rule) internal pure returns (uint256) {
        return uint8(Rule.unwrap(rule) >> 80);
    }

    function tieAccepts(Rule rule) internal pure returns (bool) {
        return uint8(Rule.unwrap(rule) >> 88) != 0;
    }

    function completionWindow_s(Rule rule) internal pure returns (uint256) {
        return uint32(Rule.unwrap(rule) >> 96);
    }

    function votingWindow_s(Rule rule) internal pure returns (uint256) {
        return uint32(Rule.unwrap(rule) >> 128);
    }
}
