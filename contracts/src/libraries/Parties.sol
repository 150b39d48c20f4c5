// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {Participant, Participants} from "./Participants.sol";
import {Pledge, Pledges} from "./Pledges.sol";
import {Purse, Purses} from "./Purses.sol";

using Parties for Party global;

/// @notice A participant's hot slots in memory: read when first asked for, written once by `save`. The value is where in
/// memory they are: a struct would be made anew, and filled with zeros, by every function that returns one.
type Party is uint256;

/// @title Parties
/// @notice Reads and changes a `Party`. In memory, a word each: who, the slot of its `Participant`, purse, pledge, the
/// last two all ones until they are read. No account is: a budget has at most 64 nonces, and nobody holds all tokens, all
/// locked, and the last of 2^32 seats. The purse is a participant's first slot, the pledge its second.
/// @dev Safe casts: IDML never holds more than 2^96 - 1 tokens and no amount here exceeds what it holds.
library Parties {
    uint256 private constant SLOT = 0x20;
    uint256 private constant PURSE = 0x40;
    uint256 private constant PLEDGE = 0x60;
    uint256 private constant SIZE = 0x80;
    /// @dev Of a participant's slots that of its `Carry`, and of that one vote with the majority.
    uint256 private constant CARRY = 6;
    uint256 private constant CARRIED_VOTE = 1 << 32;
    /// @dev Where the counter of such votes begins in a pledge.
    uint256 private constant VOTES_WITH = 240;

    /* READ AND WRITE */

    function at(Participant storage self, address who_) internal pure returns (Party p) {
        assembly ("memory-safe") {
            p := mload(0x40)
            mstore(0x40, add(p, SIZE))
            mstore(p, who_)
            mstore(add(p, SLOT), self.slot)
            mstore(add(p, PURSE), not(0))
            mstore(add(p, PLEDGE), not(0))
        }
    }

    /// @notice The participants at some addresses, in memory one after another.
    /// @return parties As many as there are addresses.
    /// @return ordered How many of them stand there, until the first that is no address above the one before it.
    function ascending(mapping(address => Participant) storage participants, address[] calldata addresses)
        internal
        pure
        returns (Party[] memory parties, uint256 ordered)
    {
        parties = list(addresses.length);
        assembly ("memory-safe") {
            let p := mload(0x40)
            let place := parties
            let from := addresses.offset
            let previous := 0
            mstore(0x20, participants.slot)
            for { let end := add(from, shl(5, addresses.length)) } lt(from, end) { from := add(from, 0x20) } {
                let who_ := calldataload(from)
                if or(iszero(gt(who_, previous)), shr(160, who_)) { break }
                previous := who_
                mstore(0, who_)
                mstore(p, who_)
                mstore(add(p, SLOT), keccak256(0, 0x40))
                mstore(add(p, PURSE), not(0))
                mstore(add(p, PLEDGE), not(0))
                place := add(place, 0x20)
                mstore(place, p)
                p := add(p, SIZE)
            }
            mstore(0x40, p)
            ordered := shr(5, sub(from, addresses.offset))
        }
    }

    /// @notice The participants at some addresses, in memory one after another, their pledges read.
    /// @param addresses Becomes the array of parties: it must not be read any more.
    function replace(mapping(address => Participant) storage participants, address[] memory addresses)
        internal
        view
        returns (Party[] memory parties)
    {
        assembly ("memory-safe") {
            parties := addresses
            let p := mload(0x40)
            let place := add(parties, 0x20)
            mstore(0x20, participants.slot)
            for { let end := add(place, shl(5, mload(parties))) } lt(place, end) { place := add(place, 0x20) } {
                let who_ := mload(place)
                mstore(0, who_)
                mstore(p, who_)
                let slot := keccak256(0, 0x40)
                mstore(add(p, SLOT), slot)
                mstore(add(p, PURSE), not(0))
                mstore(add(p, PLEDGE), sload(add(slot, 1)))
                mstore(place, p)
                p := add(p, SIZE)
            }
            mstore(0x40, p)
        }
    }

    /// @notice An array for `count` parties, each to be set before it is read.
    function list(uint256 count) internal pure returns (Party[] memory parties) {
        assembly ("memory-safe") {
            parties := mload(0x40)
            mstore(parties, count)
            mstore(0x40, add(parties, add(0x20, shl(5, count))))
        }
    }

    /// @notice Pays each of those whose bit in `which` is set, as a `Pledges.wonDelta` says.
    function addTo(Party[] memory parties, uint256 which, uint256 delta) internal {
        assembly ("memory-safe") {
            for { let place := parties } which { which := shr(1, which) } {
                place := add(place, 0x20)
                if iszero(and(which, 1)) { continue }
                let p := mload(place)
                let value := mload(add(p, PLEDGE))
                // Not read yet, or the counter is full.
                if iszero(shr(VOTES_WITH, not(value))) {
                    if iszero(not(value)) { value := sload(add(mload(add(p, SLOT)), 1)) }
                    if iszero(shr(VOTES_WITH, not(value))) {
                        let carry := add(mload(add(p, SLOT)), CARRY)
                        sstore(carry, add(sload(carry), CARRIED_VOTE))
                    }
                }
                mstore(add(p, PLEDGE), add(value, delta))
            }
        }
    }

    /// @notice The party at an index below the array's length.
    function get(Party[] memory parties, uint256 index) internal pure returns (Party p) {
        assembly ("memory-safe") {
            p := mload(add(parties, add(0x20, shl(5, index))))
        }
    }

    /// @notice The party at an index, nobody if that bit is set in `mask`.
    function getUnless(Party[] memory parties, uint256 mask, uint256 index) internal pure returns (Party p) {
        assembly ("memory-safe") {
            if iszero(and(shr(index, mask), 1)) { p := mload(add(parties, add(0x20, shl(5, index)))) }
        }
    }

    /// @notice Sets the party at an index below the array's length.
    function set(Party[] memory parties, uint256 index, Party p) internal pure {
        assembly ("memory-safe") {
            mstore(add(parties, add(0x20, shl(5, index))), p)
        }
    }

    function isNobody(Party p) internal pure returns (bool) {
        return Party.unwrap(p) == 0;
    }

    function who(Party p) internal pure returns (address party) {
        assembly ("memory-safe") {
            party := mload(p)
        }
    }

    function stored(Party p) internal pure returns (Participant storage self) {
        assembly ("memory-safe") {
            self.slot := mload(add(p, SLOT))
        }
    }

    function purse(Party p) internal view returns (Purse value) {
        assembly ("memory-safe") {
            value := mload(add(p, PURSE))
            if iszero(not(value)) {
                value := sload(mload(add(p, SLOT)))
                mstore(add(p, PURSE), value)
            }
        }
    }

    function setPurse(Party p, Purse value) internal pure {
        assembly ("memory-safe") {
            mstore(add(p, PURSE), value)
        }
    }

    function pledge(Party p) internal view returns (Pledge value) {
        assembly ("memory-safe") {
            value := mload(add(p, PLEDGE))
            if iszero(not(value)) {
                value := sload(add(mload(add(p, SLOT)), 1))
                mstore(add(p, PLEDGE), value)
            }
        }
    }

    /// @notice As `pledge().tenuredSeat()`, if the pledge was read before. Else, and for nobody, a number that no seat has.
    function knownSeat(Party p) internal pure returns (uint256) {
        Pledge value;
        // For nobody this is Solidity's word of zeros.
        assembly ("memory-safe") {
            value := mload(add(p, PLEDGE))
        }
        return value.tenuredSeat();
    }

    function setPledge(Party p, Pledge value) internal pure {
        assembly ("memory-safe") {
            mstore(add(p, PLEDGE), value)
        }
    }

    /// @notice Saves all.
    function save(Party[] memory parties) internal {
        assembly ("memory-safe") {
            let place := add(parties, 0x20)
            for { let end := add(place, shl(5, mload(parties))) } lt(place, end) { place := add(place, 0x20) } {
                let p := mload(place)
                let slot := mload(add(p, SLOT))
                let value := mload(add(p, PURSE))
                if not(value) { sstore(slot, value) }
                value := mload(add(p, PLEDGE))
                if not(value) { sstore(add(slot, 1), value) }
            }
        }
    }

    function save(Party p) internal {
        assembly ("memory-safe") {
            let slot := mload(add(p, SLOT))
            let value := mload(add(p, PURSE))
            if not(value) { sstore(slot, value) }
            value := mload(add(p, PLEDGE))
            if not(value) { sstore(add(slot, 1), value) }
        }
    }

    /// @notice Counts one more contribution that was accepted.
    /// @param held The party's pledge.
    function countAccepted(Party p, Pledge held) internal {
        Pledge counted = held.countAccepted();
        if (counted.accepted() == 0) ++p.stored().carry.accepted;
        p.setPledge(counted);
    }

    /* STAKE */

    /// @notice Moves earnings from the pledge to the purse, as far as no lock reaches into them.
    /// @param reserve Free stake that must remain.
    /// @return pledged What is pledged.
    function claim(Party p, uint256 reserve) internal view returns (uint256 pledged) {
        Pledge held = p.pledge();
        uint256 level = p.stored().plan.level;
        uint256 stake = held.stake();
        if (stake <= level) return stake;

        (uint256 earned, uint256 free) = (stake - level, held.free());
        uint256 spare = free > reserve ? free - reserve : 0;
        uint256 moved = earned < spare ? earned : spare;
        if (moved > 0) {
            p.setPledge(held.take(moved));
            p.setPurse(p.purse().credit(moved));
        }
        return level;
    }

    /// @notice Takes a penalty from the free stake, then from what is unbonding.
    /// @return taken Less than `amount` only if nothing of either is left.
    function lose(Party p, uint256 amount) internal returns (uint256 taken) {
        if (amount == 0) return 0;
        uint256 pledged = p.claim(amount);
        Pledge held = p.pledge();
        uint256 free = held.free();
        taken = free < amount ? free : amount;
        p.setPledge(held.take(taken));
        Participant storage self = p.stored();
        self.setLevel(pledged > taken ? pledged - taken : 0);

        if (taken < amount) {
            uint256 unbonding = self.exit.unbonding;
            uint256 late = amount - taken < unbonding ? amount - taken : unbonding;
            if (late > 0) self.exit.unbonding = uint96(unbonding - late);
            taken += late;
        }
    }
}
