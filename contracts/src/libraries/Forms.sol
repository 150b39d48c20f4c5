// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {Party} from "./Parties.sol";
import {Statements} from "./Statements.sol";
import {Head, Voucher} from "./Vouchers.sol";

using Forms for Form global;

/// @notice Where in memory the forms of all that is signed about an encounter are. They are filled in again for every
/// encounter of a batch, which costs a third of what it costs to lay them out.
type Form is uint256;

/// @title Forms
/// @notice Fills in what is signed about an encounter that was never opened, and looks whether it is.
/// @dev In memory, each field a word: what is hashed to be signed (0x19 0x01, domain separator, struct hash: 66 bytes in
/// three words); Terms, Report and Vote as `Statements` lays them out, typehash first; the input of `ecrecover`; both
/// secrets, the learner's first; for each who signs, in the order of the signatures, its address and what it signs.
library Forms {
    uint256 private constant STRUCT_HASH = 0x22;
    uint256 private constant SEALED_SIZE = 0x42;
    uint256 private constant TERMS = 0x60;
    uint256 private constant TERMS_SIZE = 0x180;
    uint256 private constant REPORT = 0x1e0;
    uint256 private constant VOTE = 0x2a0;
    uint256 private constant STATEMENT_SIZE = 0xc0;
    uint256 private constant RECOVERY = 0x360;
    uint256 private constant SECRETS = 0x3e0;
    uint256 private constant SIGNED = 0x420;
    uint256 private constant TWO_SIGNED = 0x80;
    /// @dev Half of the order of secp256k1.
    uint256 private constant HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;

    /// @param separator Of the EIP-712 domain.
    /// @param votes Of each encounter.
    function make(bytes32 separator, bytes32 task, uint256 votes) internal pure returns (Form form) {
        (bytes32 terms, bytes32 report, bytes32 vote) =
            (Statements.TERMS_TYPEHASH, Statements.REPORT_TYPEHASH, Statements.VOTE_TYPEHASH);
        assembly ("memory-safe") {
            form := mload(0x40)
            mstore(0x40, add(form, add(add(SIGNED, TWO_SIGNED), shl(6, votes))))
            mstore(form, hex"1901")
            mstore(add(form, 0x02), separator)
            mstore(add(form, TERMS), terms)
            mstore(add(form, add(TERMS, 0x20)), task)
            mstore(add(form, REPORT), report)
            mstore(add(form, VOTE), vote)
        }
    }

    /// @notice Fills in the Terms and both Reports, and what is common to all Votes.
    function fill(Form form, Voucher voucher, Head head, bytes32 seed, Party learner, Party neighbor) internal pure {
        (uint256 reward, uint256 nonce, uint256 deadline) = (head.reward(), head.nonce(), 0);
        (uint256 seats, uint256 asOf) = (head.seats(), head.asOf());
        unchecked {
            deadline = asOf + head.life_s();
        }
        assembly ("memory-safe") {
            let secrets := calldataload(add(voucher, 0x60))
            let place := add(form, SECRETS)
            let secret := shl(128, secrets) // The neighbor's.
            secrets := shl(128, shr(128, secrets))
            mstore(place, secrets)
            mstore(add(place, 0x20), secret)
            let terms := add(form, TERMS)
            mstore(add(terms, 0x40), mload(learner))
            mstore(add(terms, 0x60), mload(neighbor))
            mstore(add(terms, 0x80), reward)
            mstore(add(terms, 0xa0), calldataload(add(voucher, 0x20)))
            mstore(add(terms, 0xc0), keccak256(place, 0x20))
            mstore(add(terms, 0xe0), keccak256(add(place, 0x20), 0x20))
            mstore(add(terms, 0x100), seats)
            mstore(add(terms, 0x120), asOf)
            mstore(add(terms, 0x140), deadline)
            mstore(add(terms, 0x160), nonce)
            mstore(add(form, STRUCT_HASH), keccak256(terms, TERMS_SIZE))
            let encounter := keccak256(form, SEALED_SIZE)
            let result := calldataload(add(voucher, 0x40))

            let statement := add(form, VOTE)
            mstore(add(statement, 0x20), encounter)
            mstore(add(statement, 0x60), seed)
            mstore(add(statement, 0x80), result)

            statement := add(form, REPORT)
            mstore(add(statement, 0x20), encounter)
            mstore(add(statement, 0x40), mload(neighbor))
            mstore(add(statement, 0x60), result)
            mstore(add(statement, 0x80), secret)
            mstore(add(statement, 0xa0), 0)
            mstore(add(form, STRUCT_HASH), keccak256(statement, STATEMENT_SIZE))
            let digest := keccak256(form, SEALED_SIZE)
            mstore(add(form, SIGNED), mload(neighbor))
            mstore(add(form, add(SIGNED, 0x20)), digest)

            // The learner's names the neighbor's.
            mstore(add(statement, 0x40), mload(learner))
            mstore(add(statement, 0x80), secrets)
            mstore(add(statement, 0xa0), digest)
            mstore(add(form, STRUCT_HASH), keccak256(statement, STATEMENT_SIZE))
            mstore(add(form, add(SIGNED, 0x40)), mload(learner))
            mstore(add(form, add(SIGNED, 0x60)), keccak256(form, SEALED_SIZE))
        }
    }

    /// @notice Fills in the Votes, once all else is.
    /// @param ballots Bit i set: the i-th voter voted yes.
    function fillVotes(Form form, Party[] memory voters, uint256 ballots) internal pure {
        assembly ("memory-safe") {
            let statement := add(form, VOTE)
            let entry := add(form, add(SIGNED, TWO_SIGNED))
            let end := add(add(voters, 0x20), shl(5, mload(voters)))
            for { let place := add(voters, 0x20) } lt(place, end) { place := add(place, 0x20) } {
                let voter := mload(mload(place))
                mstore(add(statement, 0x40), voter)
                mstore(add(statement, 0xa0), and(ballots, 1))
                mstore(add(form, STRUCT_HASH), keccak256(statement, STATEMENT_SIZE))
                mstore(entry, voter)
                mstore(add(entry, 0x20), keccak256(form, SEALED_SIZE))
                entry := add(entry, 0x40)
                ballots := shr(1, ballots)
            }
        }
    }

    /// @notice How many of those who are to sign did so with their keys, until the first that did not.
    /// @param index Of the one to begin with, less than `total`; it counts as if those before had signed.
    /// @param total How many are to sign: the neighbor, the learner and the voters.
    /// @param at Where their signatures begin in calldata: EIP-2098, two words for each.
    /// @return count All of them, or the index of the first that did not.
    function countSigned(Form form, uint256 index, uint256 total, uint256 at) internal view returns (uint256 count) {
        uint256 half = HALF_ORDER;
        assembly ("memory-safe") {
            let question := add(form, RECOVERY)
            let first := add(form, SIGNED)
            let place := add(first, shl(6, index))
            let end := add(first, shl(6, total))
            at := add(at, shl(6, index))
            for {} 1 {} {
                let vs := calldataload(add(at, 0x20))
                let parity := shr(255, vs)
                let s := sub(vs, shl(255, parity))
                mstore(question, mload(add(place, 0x20)))
                mstore(add(question, 0x20), add(parity, 27))
                mstore(add(question, 0x40), calldataload(at))
                mstore(add(question, 0x60), s)
                mstore(0, 0)
                pop(staticcall(gas(), 1, question, 0x80, 0, 0x20))
                let good := gt(eq(mload(0), mload(place)), gt(s, half))
                place := add(place, shl(6, good))
                at := add(at, 0x40)
                if iszero(and(good, lt(place, end))) { break }
            }
            count := shr(6, sub(place, first))
        }
    }

    /// @notice The index-th of those who are to sign, and what.
    function signed(Form form, uint256 index) internal pure returns (address signer, bytes32 digest) {
        assembly ("memory-safe") {
            let place := add(add(form, SIGNED), shl(6, index))
            signer := mload(place)
            digest := mload(add(place, 0x20))
        }
    }

    /// @notice What is signed of a statement that hashes to `structHash`.
    function seal(Form form, bytes32 structHash) internal pure returns (bytes32 digest) {
        assembly ("memory-safe") {
            mstore(add(form, STRUCT_HASH), structHash)
            digest := keccak256(form, SEALED_SIZE)
        }
    }

    /// @notice Who signed a digest; 0 for what is no signature, or one of the two that a key could have given in place of
    /// the other.
    /// @param at Where the signature is in calldata: EIP-2098, two words.
    function recover(Form form, bytes32 digest, uint256 at) internal view returns (address signer) {
        uint256 half = HALF_ORDER;
        assembly ("memory-safe") {
            let question := add(form, RECOVERY)
            let vs := calldataload(add(at, 0x20))
            let s := shr(1, shl(1, vs))
            mstore(question, digest)
            mstore(add(question, 0x20), add(shr(255, vs), 27))
            mstore(add(question, 0x40), calldataload(at))
            mstore(add(question, 0x60), s)
            mstore(0, 0)
            if iszero(gt(s, half)) { pop(staticcall(gas(), 1, question, 0x80, 0, 0x20)) }
            signer := mload(0)
        }
    }
}
