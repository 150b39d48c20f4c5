// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

using Vouchers for Voucher global;
using Vouchers for Head global;

/// @notice An encounter that is settled from signatures: where its four words begin in calldata.
///
/// Word 0: its `Head`. Word 1: digest of the learner's model before. Word 2: the result, on which both agree. Word 3: the
/// first halves of both secrets, the learner's first; the second halves are zero.
type Voucher is uint256;

/// @notice Word 0, from the low end: index of the learner (8 bits) and of the neighbor (8) among the parties, seconds
/// from asOf to the deadline (24), asOf (40), seats (32), the learner's nonce (32), the reward (96), then bit i of 16:
/// the i-th voter voted yes.
type Head is uint256;

/// @title Vouchers
/// @notice Reads the encounters of a batch: four words for each, then, for each voter of each encounter in the order of
/// the committee, its index among the parties, a byte each from the high end of a word on.
library Vouchers {
    /// @notice Words of one encounter, its voters aside.
    uint256 internal constant WORDS = 4;

    /// @notice How many encounters a batch of some words holds, if it is whole.
    /// @param votes Of each encounter.
    function count(uint256 words, uint256 votes) internal pure returns (uint256 encounters, bool whole) {
        unchecked {
            // A word is 32 votes, so no number of encounters fits but this.
            // Multiplied again to find a remainder.
            // slither-disable-next-line divide-before-multiply
            encounters = 32 * words / (32 * WORDS + votes);
            whole = encounters * WORDS + (encounters * votes + 31) / 32 == words;
        }
    }

    function at(bytes32[] calldata encounters, uint256 index) internal pure returns (Voucher voucher) {
        assembly ("memory-safe") {
            voucher := add(encounters.offset, shl(7, index))
        }
    }

    function at(bytes32[4] calldata encounter) internal pure returns (Voucher voucher) {
        assembly ("memory-safe") {
            voucher := encounter
        }
    }

    /// @notice The indices of an encounter's voters, a byte each from the high end on.
    function voters(bytes32[] calldata encounters, uint256 encounterCount, uint256 index, uint256 votes)
        internal
        pure
        returns (uint256 places)
    {
        assembly ("memory-safe") {
            places := calldataload(add(encounters.offset, add(shl(7, encounterCount), mul(index, votes))))
        }
    }

    function word(Voucher voucher, uint256 index) internal pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := calldataload(add(voucher, shl(5, index)))
        }
    }

    function head(Voucher voucher) internal pure returns (Head) {
        return Head.wrap(voucher.word(0));
    }

    function learner(Head self) internal pure returns (uint256) {
        return uint8(Head.unwrap(self));
    }

    function neighbor(Head self) internal pure returns (uint256) {
        return uint8(Head.unwrap(self) >> 8);
    }

    function life_s(Head self) internal pure returns (uint256) {
        return uint24(Head.unwrap(self) >> 16);
    }

    function asOf(Head self) internal pure returns (uint256) {
        return uint40(Head.unwrap(self) >> 40);
    }

    function seats(Head self) internal pure returns (uint256) {
        return uint32(Head.unwrap(self) >> 80);
    }

    function nonce(Head self) internal pure returns (uint256) {
        return uint32(Head.unwrap(self) >> 112);
    }

    function reward(Head self) internal pure returns (uint256) {
        return uint96(Head.unwrap(self) >> 144);
    }

    /// @notice Bit i set: the i-th voter voted yes.
    function ballots(Head self) internal pure returns (uint256) {
        return Head.unwrap(self) >> 240;
    }

    function modelBefore(Voucher voucher) internal pure returns (bytes32) {
        return bytes32(voucher.word(1));
    }

    function result(Voucher voucher) internal pure returns (bytes32) {
        return bytes32(voucher.word(2));
    }

    function learnerSecret(Voucher voucher) internal pure returns (bytes32) {
        return bytes32(voucher.word(3) >> 128 << 128);
    }

    function neighborSecret(Voucher voucher) internal pure returns (bytes32) {
        return bytes32(voucher.word(3) << 128);
    }
}
