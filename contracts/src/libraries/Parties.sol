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
/// @notice Reads and changes a `Party`. In memory, a word each: who, the slot of its `Participant`, whether the purse was
/// read, whether the pledge was read, purse, pledge. The purse is a participant's first slot, the pledge its second.
/// @dev Safe casts: IDML never holds more than 2^96 - 1 tokens and no amount here exceeds what it holds.
library Parties {
    uint256 private constant SLOT = 0x20;
    uint256 private constant HAS_PURSE = 0x40;
    uint256 private constant HAS_PLEDGE = 0x60;
    uint256 private constant PURSE = 0x80;
    uint256 private constant PLEDGE = 0xa0;
    uint256 private constant SIZE = 0xc0;

    /* READ AND WRITE */

    function at(Participant storage self, address who_) internal pure returns (Party p) {
        assembly ("memory-safe") {
            p := mload(0x40)
            mstore(0x40, add(p, SIZE))
            mstore(p, who_)
            mstore(add(p, SLOT), self.slot)
            mstore(add(p, HAS_PURSE), 0)
            mstore(add(p, HAS_PLEDGE), 0)
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

    /// @notice Adds to the pledge of those whose bit in `which` is set.
    /// @param delta May wrap around: what it takes from a field must be there.
    function addTo(Party[] memory parties, uint256 which, uint256 delta) internal view {
        assembly ("memory-safe") {
            for { let place := add(parties, 0x20) } which { which := shr(1, which) } {
                if and(which, 1) {
                    let p := mload(place)
                    if iszero(mload(add(p, HAS_PLEDGE))) {
                        mstore(add(p, HAS_PLEDGE), 1)
                        mstore(add(p, PLEDGE), sload(add(mload(add(p, SLOT)), 1)))
                    }
                    mstore(add(p, PLEDGE), add(mload(add(p, PLEDGE)), delta))
                }
                place := add(place, 0x20)
            }
        }
    }

    /// @notice The party at an index below the array's length.
    function get(Party[] memory parties, uint256 index) internal pure returns (Party p) {
        assembly ("memory-safe") {
            p := mload(add(parties, add(0x20, shl(5, index))))
        }
    }

    function set(Party[] memory parties, uint256 index, Party p) internal pure {
        assembly ("memory-safe") {
            mstore(add(parties, add(0x20, shl(5, index))), p)
        }
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
            if iszero(mload(add(p, HAS_PURSE))) {
                mstore(add(p, HAS_PURSE), 1)
                mstore(add(p, PURSE), sload(mload(add(p, SLOT))))
            }
            value := mload(add(p, PURSE))
        }
    }

    function setPurse(Party p, Purse value) internal pure {
        assembly ("memory-safe") {
            mstore(add(p, HAS_PURSE), 1)
            mstore(add(p, PURSE), value)
        }
    }

    function pledge(Party p) internal view returns (Pledge value) {
        assembly ("memory-safe") {
            if iszero(mload(add(p, HAS_PLEDGE))) {
                mstore(add(p, HAS_PLEDGE), 1)
                mstore(add(p, PLEDGE), sload(add(mload(add(p, SLOT)), 1)))
            }
            value := mload(add(p, PLEDGE))
        }
    }

    function setPledge(Party p, Pledge value) internal pure {
        assembly ("memory-safe") {
            mstore(add(p, HAS_PLEDGE), 1)
            mstore(add(p, PLEDGE), value)
        }
    }

    function save(Party p) internal {
        assembly ("memory-safe") {
            let slot := mload(add(p, SLOT))
            if mload(add(p, HAS_PURSE)) { sstore(slot, mload(add(p, PURSE))) }
            if mload(add(p, HAS_PLEDGE)) { sstore(add(slot, 1), mload(add(p, PLEDGE))) }
        }
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
