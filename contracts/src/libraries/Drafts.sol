// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {Progress} from "../interfaces/IIDML.sol";
import {Stage} from "./Stages.sol";

using Drafts for Draft global;

/// @notice A `Progress` in memory, laid out as `abi.encode` lays it out. The value is where it begins.
type Draft is uint256;

/// @title Drafts
/// @notice Changes a progress in the form in which it is hashed, which costs a tenth of decoding and encoding it.
library Drafts {
    /// @dev Words of the encoding: its own offset, the fields, the length of the committee.
    uint256 private constant STAGE = 0x20 * 6;
    uint256 private constant LEARNER_WORD = 0x20 * 7;
    uint256 private constant NEIGHBOR_WORD = 0x20 * 8;
    uint256 private constant RESULT = 0x20 * 9;
    uint256 private constant LENGTH = 0x20 * 11;
    uint256 private constant HEAD = 0x20 * 12;

    /// @notice Copies calldata that is laid out as `abi.encode` lays it out. Any other layout gives another hash,
    /// which was never stored.
    /// @param room How many members may be added to the committee.
    function from(Progress calldata progress, uint256 room) internal pure returns (Draft draft) {
        uint256 size = HEAD - 0x20 + 32 * progress.committee.length;
        assembly ("memory-safe") {
            draft := mload(0x40)
            mstore(draft, 0x20) // Where the encoding of a dynamic type begins.
            calldatacopy(add(draft, 0x20), progress, size)
            mstore(0x40, add(add(draft, add(size, 0x20)), shl(5, room)))
        }
    }

    /// @notice keccak256(abi.encode(progress))
    function hash(Draft draft) internal pure returns (bytes32 digest) {
        assembly ("memory-safe") {
            digest := keccak256(draft, add(HEAD, shl(5, mload(add(draft, LENGTH)))))
        }
    }

    function setStage(Draft draft, Stage stage) internal pure {
        _set(draft, STAGE, bytes32(Stage.unwrap(stage)));
    }

    function setLearnerWord(Draft draft, bytes32 word) internal pure {
        _set(draft, LEARNER_WORD, word);
    }

    function setNeighborWord(Draft draft, bytes32 word) internal pure {
        _set(draft, NEIGHBOR_WORD, word);
    }

    function setResult(Draft draft, bytes32 result) internal pure {
        _set(draft, RESULT, result);
    }

    /// @notice Adds members to the committee, for which there must be room.
    function append(Draft draft, address[] memory members) internal pure {
        assembly ("memory-safe") {
            let length := mload(add(draft, LENGTH))
            let added := mload(members)
            mstore(add(draft, LENGTH), add(length, added))
            mcopyWords(add(draft, add(HEAD, shl(5, length))), add(members, 0x20), added)

            function mcopyWords(to, source, count) {
                for { let i := 0 } lt(i, count) { i := add(i, 1) } {
                    mstore(add(to, shl(5, i)), mload(add(source, shl(5, i))))
                }
            }
        }
    }

    function append(Draft draft, address member) internal pure {
        assembly ("memory-safe") {
            let length := mload(add(draft, LENGTH))
            mstore(add(draft, LENGTH), add(length, 1))
            mstore(add(draft, add(HEAD, shl(5, length))), member)
        }
    }

    function _set(Draft draft, uint256 offset, bytes32 word) private pure {
        assembly ("memory-safe") {
            mstore(add(draft, offset), word)
        }
    }
}
