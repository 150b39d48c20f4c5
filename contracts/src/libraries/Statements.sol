// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {Terms} from "../interfaces/IIDML.sol";

using Statements for Frame global;
using Statements for Ballot global;

/// @notice Where in memory the bytes are of which what is signed is the hash.
type Frame is uint256;

/// @notice Where in memory a Vote is.
type Ballot is uint256;

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

    /// @notice As `hash`, of terms that are not laid out in calldata.
    function hashTerms(
        bytes32 task,
        address learner,
        address neighbor,
        uint256 reward,
        bytes32 modelBefore,
        bytes32 learnerCommitment,
        bytes32 neighborCommitment,
        uint256 seats,
        uint256 asOf,
        uint256 deadline,
        uint256 nonce
    ) internal pure returns (bytes32 hashed) {
        bytes32 typehash = TERMS_TYPEHASH;
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, typehash)
            mstore(add(free, 0x20), task)
            mstore(add(free, 0x40), learner)
            mstore(add(free, 0x60), neighbor)
            mstore(add(free, 0x80), reward)
            mstore(add(free, 0xa0), modelBefore)
            mstore(add(free, 0xc0), learnerCommitment)
            mstore(add(free, 0xe0), neighborCommitment)
            mstore(add(free, 0x100), seats)
            mstore(add(free, 0x120), asOf)
            mstore(add(free, 0x140), deadline)
            mstore(add(free, 0x160), nonce)
            hashed := keccak256(free, 0x180)
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

    /// @notice Makes room for what is signed, keccak256("\x19\x01", separator, struct hash), except for the last part.
    function frame(bytes32 separator) internal pure returns (Frame made) {
        assembly ("memory-safe") {
            made := mload(0x40)
            mstore(made, hex"1901")
            mstore(add(made, 0x02), separator)
            mstore(0x40, add(made, 0x60))
        }
    }

    /// @notice What is signed.
    function seal(Frame made, bytes32 structHash) internal pure returns (bytes32 digest) {
        assembly ("memory-safe") {
            mstore(add(made, 0x22), structHash)
            digest := keccak256(made, 0x42)
        }
    }

    /// @notice Makes room for the votes on one encounter, which differ only in their voter and verdict.
    function ballot(bytes32 encounter, bytes32 seed, bytes32 result) internal pure returns (Ballot made) {
        bytes32 typehash = VOTE_TYPEHASH;
        assembly ("memory-safe") {
            made := mload(0x40)
            mstore(made, typehash)
            mstore(add(made, 0x20), encounter)
            mstore(add(made, 0x60), seed)
            mstore(add(made, 0x80), result)
            mstore(0x40, add(made, 0xc0))
        }
    }

    /// @notice As `hashVote`.
    /// @param accept Only the lowest bit is looked at.
    function hash(Ballot made, address validator, uint256 accept) internal pure returns (bytes32 hashed) {
        assembly ("memory-safe") {
            mstore(add(made, 0x40), validator)
            mstore(add(made, 0xa0), and(accept, 1))
            hashed := keccak256(made, 0xc0)
        }
    }

    /// @notice keccak256(abi.encode(a, b))
    function pair(bytes32 a, bytes32 b) internal pure returns (bytes32 hashed) {
        assembly ("memory-safe") {
            mstore(0, a)
            mstore(0x20, b)
            hashed := keccak256(0, 0x40)
        }
    }

    function hashBatch(bytes32 task, address[] calldata parties, bytes32[] calldata encounters)
        internal
        pure
        returns (bytes32)
    {
        bytes32 who = keccak256(abi.encodePacked(parties));
        return keccak256(abi.encode(BATCH_TYPEHASH, task, who, keccak256(abi.encodePacked(encounters))));
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
