// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";

import {Seat, Terms} from "../interfaces/IIDML.sol";

/// @notice The table of all seats, and the queue of those that were left, oldest first.
/// @param length Seats in the table; it only grows.
/// @param head Position in the queue of the seat that was left first.
/// @param tail Position in the queue of the next seat to be left.
struct SeatTable {
    uint32 length;
    uint32 head;
    uint32 tail;
    mapping(uint256 index => Seat) seats;
    mapping(uint256 position => uint32 index) vacant;
}

/// @title Seats
/// @notice Keeps the seats from which committees are drawn so that a draw gives the same whenever it is made.
/// @dev A seat is reused only `delay` after it was left. An encounter is over sooner, so the table still shows
/// everyone who was seated at its `asOf`.
library Seats {
    uint256 internal constant MAX_DRAWS = 64;
    uint32 internal constant SEATED = type(uint32).max;

    /// @notice Seats a member, on the seat left first if it was left `delay` ago, else on a new one.
    function take(SeatTable storage table, address member, uint256 delay) internal returns (uint256 index) {
        uint32 timestamp = uint32(block.timestamp);
        uint32 createdAt = timestamp;

        (uint32 head, bool queued) = (table.head, table.head != table.tail);
        index = queued ? table.vacant[head] : 0;
        if (queued && table.seats[index].inactiveFrom + delay <= block.timestamp) {
            createdAt = table.seats[index].createdAt;
            delete table.vacant[head];
            table.head = head + 1;
        } else {
            index = table.length;
            table.length += 1;
        }

        table.seats[index] = Seat(member, createdAt, timestamp, SEATED);
    }

    /// @notice Frees a seat.
    function vacate(SeatTable storage table, uint256 index) internal {
        table.seats[index].inactiveFrom = uint32(block.timestamp);
        table.vacant[table.tail] = uint32(index); // Safe cast: the length of the table has 32 bits.
        table.tail += 1;
    }

    /// @notice Whether the table had `length` seats at `asOf`.
    /// @dev A seat created in that very second may be counted or not: it is not active at `asOf`.
    function hadLength(SeatTable storage table, uint256 length, uint256 asOf) internal view returns (bool) {
        if (length > table.length) return false;
        bool allThere = length == 0 || table.seats[length - 1].createdAt <= asOf;
        bool noneMissing = length == table.length || table.seats[length].createdAt >= asOf;
        return allThere && noneMissing;
    }

    /// @notice The first `size` distinct active seats that a seed names, fewer if `MAX_DRAWS` draws do not find them.
    function draw(SeatTable storage table, Terms calldata terms, bytes32 seed, uint256 size)
        internal
        view
        returns (address[] memory committee)
    {
        committee = new address[](size);
        uint256 found;
        for (uint256 j; j < MAX_DRAWS && found < size && terms.seats > 0; ++j) {
            uint256 index = uint256(Hashes.efficientKeccak256(seed, bytes32(j))) % terms.seats;
            Seat memory seat = table.seats[index];
            bool active = seat.activeFrom < terms.asOf && terms.asOf <= seat.inactiveFrom;
            // Nobody is active on two seats at one moment, so distinct members are distinct seats.
            if (!active || seat.member == terms.learner || seat.member == terms.neighbor) continue;
            if (!contains(committee, found, seat.member)) committee[found++] = seat.member;
        }
        assembly ("memory-safe") {
            mstore(committee, found) // Shortens the array.
        }
    }

    /// @notice Whether one of the first `length` elements is `member`.
    function contains(address[] memory members, uint256 length, address member) internal pure returns (bool) {
        for (uint256 i; i < length; ++i) {
            if (members[i] == member) return true;
        }
        return false;
    }
}
