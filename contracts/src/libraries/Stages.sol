// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {Phase, Progress} from "../interfaces/IIDML.sol";

using Stages for Stage global;

/// @notice Where an open encounter stands, in one word. From the low end: phase (8 bits), since when in seconds (40),
/// the learner's lane (8), block of the contest (40, 0 if there was none), seats (32) and asOf (40) of the Terms,
/// then bit i of 24: committee[i] voted; bit i of 24: it voted yes. From validation on seats and asOf are zero.
type Stage is uint256;

/// @title Stages
/// @notice Packs, reads and changes a `Stage`.
library Stages {
    uint256 private constant SINCE = 8;
    uint256 private constant LANE = 48;
    uint256 private constant CONTEST = 56;
    uint256 private constant SEATS = 96;
    uint256 private constant AS_OF = 128;
    uint256 private constant VOTED = 168;
    uint256 private constant ACCEPTS = 192;

    function opened(uint256 lane_, uint256 seats, uint256 asOf) internal view returns (Stage) {
        return
            Stage.wrap(uint256(Phase.Open) | block.timestamp << SINCE | lane_ << LANE | seats << SEATS | asOf << AS_OF);
    }

    /// @notice Another phase that begins now.
    function enter(Stage stage, Phase next) internal view returns (Stage) {
        uint256 kept = Stage.unwrap(stage) >> LANE << LANE;
        return Stage.wrap(kept | uint256(next) | block.timestamp << SINCE);
    }

    function contested(Stage stage) internal view returns (Stage) {
        return Stage.wrap(Stage.unwrap(stage.enter(Phase.Contested)) | block.number << CONTEST);
    }

    function validating(Stage stage) internal view returns (Stage) {
        uint256 kept = Stage.unwrap(stage) & ((1 << SEATS) - 1);
        return Stage.wrap(kept).enter(Phase.Validating);
    }

    function voted(Stage stage, uint256 index, bool accept) internal pure returns (Stage) {
        uint256 bits = 1 << (VOTED + index);
        if (accept) bits |= 1 << (ACCEPTS + index);
        return Stage.wrap(Stage.unwrap(stage) | bits);
    }

    function phase(Stage stage) internal pure returns (Phase) {
        return Phase(uint8(Stage.unwrap(stage)));
    }

    function since(Stage stage) internal pure returns (uint256) {
        return uint40(Stage.unwrap(stage) >> SINCE);
    }

    function lane(Stage stage) internal pure returns (uint256) {
        return uint8(Stage.unwrap(stage) >> LANE);
    }

    function contestBlock(Stage stage) internal pure returns (uint256) {
        return uint40(Stage.unwrap(stage) >> CONTEST);
    }

    function seats(Stage stage) internal pure returns (uint256) {
        return uint32(Stage.unwrap(stage) >> SEATS);
    }

    function asOf(Stage stage) internal pure returns (uint256) {
        return uint40(Stage.unwrap(stage) >> AS_OF);
    }

    function hasVoted(Stage stage, uint256 index) internal pure returns (bool) {
        return Stage.unwrap(stage) >> (VOTED + index) & 1 != 0;
    }

    /// @notice Bit i set: committee[i] voted.
    function voters(Stage stage) internal pure returns (uint256) {
        return uint24(Stage.unwrap(stage) >> VOTED);
    }

    function voteCount(Stage stage) internal pure returns (uint256) {
        return count(stage.voters());
    }

    /// @notice How many of 24 bits are set.
    function count(uint256 bits) internal pure returns (uint256 ones) {
        // Counts in pairs, fours and bytes at once.
        unchecked {
            bits -= bits >> 1 & 0x555555;
            bits = (bits & 0x333333) + (bits >> 2 & 0x333333);
            bits = (bits + (bits >> 4)) & 0x0f0f0f;
            ones = bits * 0x010101 >> 16 & 0xff;
        }
    }

    /// @notice Who voted yes among those who voted: bit i set: the i-th voter in the order of the committee.
    function ballots(Stage stage) internal pure returns (uint256 yes) {
        (uint256 bits, uint256 accepts) = (stage.voters(), Stage.unwrap(stage) >> ACCEPTS);
        unchecked {
            for (uint256 place; bits != 0; (bits, accepts) = (bits >> 1, accepts >> 1)) {
                if (bits & 1 != 0) yes |= (accepts & 1) << place++;
            }
        }
    }
}
