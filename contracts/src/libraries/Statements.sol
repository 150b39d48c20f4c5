// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {Terms} from "../interfaces/IIDML.sol";

/// @title Statements
/// @notice The EIP-712 struct hashes of what is signed.
library Statements {
    bytes32 internal constant TERMS_TYPEHASH = keccak256(
        "Terms(bytes32 task,address learner,address neighbor,uint96 reward,bytes32 modelBefore,bytes32 learnerCommitment,bytes32 neighborCommitment,uint32 seats,uint40 asOf,uint40 deadline,uint64 nonce)"
    );
    bytes32 internal constant REPORT_TYPEHASH =
        keccak256("Report(bytes32 encounter,address reporter,bytes32 result,bytes32 secret,bytes32 previous)");
    bytes32 internal constant VOTE_TYPEHASH =
        keccak256("Vote(bytes32 encounter,address validator,bytes32 seed,bytes32 result,bool accept)");
    bytes32 internal constant BATCH_TYPEHASH = keccak256("Batch(bytes32 task,address[] parties,bytes32[] encounters)");

    /// @dev Encoded size in bytes of the 11 fields.
    uint256 private constant TERMS_SIZE = 11 * 32;

    /// @notice keccak256(abi.encode(TERMS_TYPEHASH, terms)) without decoding. Fields are checked when they are read.
    function hash(Terms calldata terms) internal pure returns (bytes32 hashed) {
        bytes32 typehash = TERMS_TYPEHASH;
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, typehash)
            calldatacopy(add(free, 0x20), terms, TERMS_SIZE)
            hashed := keccak256(free, add(TERMS_SIZE, 0x20))
        }
    }

    function hashReport(bytes32 encounter, address reporter, bytes32 result, bytes32 secret, bytes32 previous)
        internal
        pure
        returns (bytes32)
    {
        return _hash(REPORT_TYPEHASH, encounter, reporter, result, secret, previous);
    }

    function hashVote(bytes32 encounter, address validator, bytes32 seed, bytes32 result, bool accept)
        internal
        pure
        returns (bytes32)
    {
        return _hash(VOTE_TYPEHASH, encounter, validator, seed, result, bytes32(uint256(accept ? 1 : 0)));
    }

    /// @notice keccak256(abi.encode(a, b))
    function pair(bytes32 a, bytes32 b) internal pure returns (bytes32 hashed) {
        assembly ("memory-safe") {
            mstore(0, a)
            mstore(0x20, b)
            hashed := keccak256(0, 0x40)
        }
    }

    /// @param parties Addresses without anything in the high bits.
    function hashBatch(bytes32 task, address[] calldata parties, bytes32[] calldata encounters)
        internal
        pure
        returns (bytes32)
    {
        bytes32 who;
        bytes32 what;
        assembly ("memory-safe") {
            let free := mload(0x40)
            calldatacopy(free, parties.offset, shl(5, parties.length))
            who := keccak256(free, shl(5, parties.length))
            calldatacopy(free, encounters.offset, shl(5, encounters.length))
            what := keccak256(free, shl(5, encounters.length))
        }
        return keccak256(abi.encode(BATCH_TYPEHASH, task, who, what));
    }

    /// @notice What a secret was committed to as.
    function commitment(bytes32 secret) internal pure returns (bytes32 hashed) {
        assembly ("memory-safe") {
            mstore(0, secret)
            hashed := keccak256(0, 0x20)
        }
    }

    /// @dev Solidity's encoder would cost five times as much.
    function _hash(bytes32 typehash, bytes32 first, address who, bytes32 third, bytes32 fourth, bytes32 fifth)
        private
        pure
        returns (bytes32 hashed)
    {
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, typehash)
            mstore(add(free, 0x20), first)
            mstore(add(free, 0x40), who)
            mstore(add(free, 0x60), third)
            mstore(add(free, 0x80), fourth)
            mstore(add(free, 0xa0), fifth)
            hashed := keccak256(free, 0xc0)
        }
    }
}
