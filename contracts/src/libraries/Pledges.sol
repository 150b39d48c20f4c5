// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

using Pledges for Pledge global;

/// @notice What a neighbor or validator needs, in one word. From the low end: stake (96 bits), locked (96),
/// accepted (32), votesWith (32). Of the stake what is above the level of the `Plan` is earnings that were not moved to
/// the purse yet.
type Pledge is uint256;

/// @title Pledges
/// @notice Reads and changes a `Pledge`. No function here overflows into the next field as long as its caller keeps the
/// promise that its comment names; counters end after 2^32 encounters.
library Pledges {
    uint256 private constant LOCKED = 96;
    uint256 private constant ACCEPTED = 192;
    uint256 private constant VOTES_WITH = 224;

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

    function accepted(Pledge pledge) internal pure returns (uint256) {
        return uint32(Pledge.unwrap(pledge) >> ACCEPTED);
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

    function countAccepted(Pledge pledge) internal pure returns (Pledge) {
        unchecked {
            return Pledge.wrap(Pledge.unwrap(pledge) + (1 << ACCEPTED));
        }
    }

    /// @notice What changes for who voted with the majority: a share more, a lock less, one more such vote.
    function wonDelta(uint256 share, uint256 unlocked) internal pure returns (uint256) {
        unchecked {
            return share + (1 << VOTES_WITH) - (unlocked << LOCKED);
        }
    }
}
