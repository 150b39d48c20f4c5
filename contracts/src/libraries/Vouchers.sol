// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

using Vouchers for Voucher global;

/// @notice An encounter that is settled from signatures: where its words begin in calldata.
///
/// Word 0, from the low end: index of the learner (8 bits) and of the neighbor (8) among the parties, seconds from asOf
/// to the deadline (24), asOf (40), seats (32), the learner's nonce (32), the reward (96), then bit i of 16: the i-th
/// voter voted yes.
/// Word 1: digest of the learner's model before. Word 2: the result, on which both agree.
/// Word 3: the first halves of both secrets, the learner's first; the second halves are zero.
/// Word 4, only in a batch: for each voter in the order of the committee its index among the parties, 8 bits each from
/// the low end.
type Voucher is uint256;

/// @title Vouchers
/// @notice Reads an encounter of a batch.
library Vouchers {
    /// @notice Words of one encounter in a batch.
    uint256 internal constant WORDS = 5;

    function at(bytes32[] calldata encounters, uint256 index) internal pure returns (Voucher voucher) {
        assembly ("memory-safe") {
            voucher := add(encounters.offset, mul(index, 0xa0))
        }
    }

    function at(bytes32[4] calldata encounter) internal pure returns (Voucher voucher) {
        assembly ("memory-safe") {
            voucher := encounter
        }
    }

    function word(Voucher voucher, uint256 index) internal pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := calldataload(add(voucher, shl(5, index)))
        }
    }

    function learner(Voucher voucher) internal pure returns (uint256) {
        return uint8(voucher.word(0));
    }

    function neighbor(Voucher voucher) internal pure returns (uint256) {
        return uint8(voucher.word(0) >> 8);
    }

    function life_s(Voucher voucher) internal pure returns (uint256) {
        return uint24(voucher.word(0) >> 16);
    }

    function asOf(Voucher voucher) internal pure returns (uint256) {
        return uint40(voucher.word(0) >> 40);
    }

    function seats(Voucher voucher) internal pure returns (uint256) {
        return uint32(voucher.word(0) >> 80);
    }

    function nonce(Voucher voucher) internal pure returns (uint256) {
        return uint32(voucher.word(0) >> 112);
    }

    function reward(Voucher voucher) internal pure returns (uint256) {
        return uint96(voucher.word(0) >> 144);
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

    /// @notice Bit i set: the i-th voter voted yes.
    function ballots(Voucher voucher) internal pure returns (uint256) {
        return voucher.word(0) >> 240;
    }

    /// @notice The voters' indices, 8 bits each.
    function voters(Voucher voucher) internal pure returns (uint256) {
        return voucher.word(4);
    }
}
