// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

using Pledges for Pledge global;

/// @notice What a neighbor or validator needs, in one word. From the low end: stake (96 bits), locked (96), tenured
/// seat (32), the lower halves of accepted (16) and votesWith (16); the upper halves are a `Carry`. Of the stake what is
/// above the level of the `Plan` is earnings that were not moved to the purse yet.
type Pledge is uint256;

/// @title Pledges
/// @notice Reads and changes a `Pledge`. No function here overflows into the next field as long as its caller keeps the
/// promise that its comment names.
library Pledges {
    uint256 private constant LOCKED = 96;
    uint256 private constant SEAT = 192;
    uint256 private constant ACCEPTED = 224;
    uint256 private constant VOTES_WITH = 240;

    function stake(Pledge pledge) internal pure returns (uint256) {
        return uint96(Pledge.unwrap(pledge));
    }

    function locked(Pledge pledge) internal pure returns (uint256) {
        return uint96(Pledge.unwrap(pledge) >> LOCKED);
    }

    function free(Pledge pledge) internal pure returns (uint256) {
        unchecked {
            return pledge.stake() - pledge.locked();
        }
    }

    /// @notice One more than the index of the seat that is held for longer than an encounter can live, so that a draw need
    /// not look at the seat; 0 if that is not so, or not known yet.
    function tenuredSeat(Pledge pledge) internal pure returns (uint256) {
        return uint32(Pledge.unwrap(pledge) >> SEAT);
    }

    function accepted(Pledge pledge) internal pure returns (uint256) {
        return uint16(Pledge.unwrap(pledge) >> ACCEPTED);
    }

    function votesWith(Pledge pledge) internal pure returns (uint256) {
        return Pledge.unwrap(pledge) >> VOTES_WITH;
    }

    /// @dev All tokens together fit into 96 bits.
    function add(Pledge pledge, uint256 amount) internal pure returns (Pledge) {
        unchecked {
            return Pledge.wrap(Pledge.unwrap(pledge) + amount);
        }
    }

    /// @dev Not more than what is free.
    function take(Pledge pledge, uint256 amount) internal pure returns (Pledge) {
        unchecked {
            return Pledge.wrap(Pledge.unwrap(pledge) - amount);
        }
    }

    /// @dev Not more than what is free.
    function lock(Pledge pledge, uint256 amount) internal pure returns (Pledge) {
        unchecked {
            return Pledge.wrap(Pledge.unwrap(pledge) + (amount << LOCKED));
        }
    }

    /// @dev What was locked before.
    function unlock(Pledge pledge, uint256 amount) internal pure returns (Pledge) {
        unchecked {
            return Pledge.wrap(Pledge.unwrap(pledge) - (amount << LOCKED));
        }
    }

    /// @param number One more than the index, at most 32 bits; or 0.
    function setTenuredSeat(Pledge pledge, uint256 number) internal pure returns (Pledge) {
        uint256 kept = Pledge.unwrap(pledge) & ~(uint256(type(uint32).max) << SEAT);
        return Pledge.wrap(kept | number << SEAT);
    }

    /// @notice After 2^16 of these their counter is 0 again.
    function countAccepted(Pledge pledge) internal pure returns (Pledge counted) {
        unchecked {
            counted = Pledge.wrap(Pledge.unwrap(pledge) + (1 << ACCEPTED));
            // It went on into the next field.
            if (counted.accepted() == 0) counted = Pledge.wrap(Pledge.unwrap(counted) - (1 << VOTES_WITH));
        }
    }

    /// @notice What changes for who voted with the majority: a share more, a lock less, one more such vote. After 2^16
    /// of these their counter, the highest of the word, is 0 again.
    function wonDelta(uint256 share, uint256 unlocked) internal pure returns (uint256) {
        unchecked {
            return share + (1 << VOTES_WITH) - (unlocked << LOCKED);
        }
    }
}
