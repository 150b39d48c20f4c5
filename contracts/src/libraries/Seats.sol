// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {Seat} from "../interfaces/IIDML.sol";
import {Parties, Party} from "./Parties.sol";
import {Head} from "./Vouchers.sol";

/// @notice The table of all seats, and the queue of those that were left, oldest first.
/// @param length Seats in the table; it only grows.
/// @param head Position in the queue of the seat that was left first.
/// @param tail Position in the queue of the next seat to be left.
/// @param grownAt When the table grew last, in seconds.
/// @param seats One slot each, one after another from the slot after this one on: a draw need not hash to find one.
struct SeatTable {
    uint32 length;
    uint32 head;
    uint32 tail;
    uint32 grownAt;
    Seat[1 << 32] seats;
    mapping(uint256 position => uint32 index) vacant;
}

/// @title Seats
/// @notice Keeps the seats from which committees are drawn so that a draw gives the same whenever it is made.
/// @dev A seat is reused only `delay` after it was left. An encounter is over sooner, so the table still shows
/// everyone who was seated at its `asOf`.
library Seats {
    using Parties for Party[];

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
            table.grownAt = timestamp;
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
        (uint256 current, uint256 grownAt) = (table.length, table.grownAt);
        if (length == current) return grownAt <= asOf;
        if (length > current || table.seats[length].createdAt < asOf) return false;
        return length == 0 || table.seats[length - 1].createdAt <= asOf;
    }

    /// @notice The first `size` distinct active seats that a seed names, fewer if `MAX_DRAWS` draws do not find them.
    /// @param length Length of the table at `asOf`.
    /// @param asOf The moment whose seats may be drawn, in seconds.
    function draw(
        SeatTable storage table,
        bytes32 seed,
        uint256 size,
        uint256 length,
        uint256 asOf,
        address learner,
        address neighbor
    ) internal view returns (address[] memory committee) {
        Seat[1 << 32] storage seats = table.seats;
        uint256 most = length == 0 ? 0 : size;
        assembly ("memory-safe") {
            committee := mload(0x40)
            let last := committee // The element found last.
            let full := add(committee, shl(5, most))
            mstore(0x40, add(full, 0x20))
            mstore(0, seed)
            for { let j := 0 } and(lt(last, full), lt(j, MAX_DRAWS)) { j := add(j, 1) } {
                mstore(0x20, j)
                // One slot, from the low end: member (160 bits), createdAt, activeFrom, inactiveFrom (32 each).
                let seat := sload(add(seats.slot, mod(keccak256(0, 0x40), length)))
                let inactive := or(iszero(lt(and(shr(192, seat), 0xffffffff), asOf)), gt(asOf, shr(224, seat)))
                seat := shr(96, shl(96, seat))
                let skip := or(inactive, or(eq(seat, learner), eq(seat, neighbor)))
                // Nobody is active on two seats at one moment, so distinct members are distinct seats.
                for { let other := last } gt(other, committee) { other := sub(other, 0x20) } {
                    skip := or(skip, eq(mload(other), seat))
                }
                if iszero(skip) {
                    last := add(last, 0x20)
                    mstore(last, seat)
                }
            }
            mstore(committee, shr(5, sub(last, committee)))
        }
    }

    /// @notice As `draw`, among the parties of a batch: who is drawn must be who was named.
    /// @dev A pledge says which seat its owner has held for long, so that the seat need not be read; it is told so here.
    /// @param head Of the encounter, which is between two of the parties.
    /// @param named The parties to be found, by their indices, a byte each from the high end on.
    /// @param delay How long a seat must be held until it need not be read; no encounter lives that long.
    /// @return found Those who were named, as far as they were drawn.
    /// @return count How many were; more than `size` if somebody else was drawn.
    function drawAmong(
        SeatTable storage table,
        bytes32 seed,
        uint256 size,
        Head head,
        Party[] memory parties,
        uint256 named,
        uint256 delay
    ) internal view returns (Party[] memory found, uint256 count) {
        // Bit i set: parties[i] has a part in the encounter already, or is not there.
        uint256 taken = type(uint256).max << parties.length | 1 << head.learner() | 1 << head.neighbor();
        uint256 length = head.seats();
        found = Parties.list(size);
        if (length == 0) return (found, 0);
        unchecked {
            for (uint256 j; j < MAX_DRAWS && count < size; ++j) {
                uint256 number = 1 + _draw(seed, j, length); // As `Record.seat` counts.
                Party party = parties.getUnless(taken, named >> 248);
                if (party.knownSeat() != number) {
                    if (!_holds(table, party, number, head.asOf(), delay)) {
                        if (_isSkipped(table, number, head, parties, found, count)) continue;
                        return (found, size + 1);
                    }
                }
                // Parties are distinct, so this is none of those who have a part already.
                found.set(count++, party);
                taken |= 1 << (named >> 248);
                named <<= 8;
            }
        }
    }

    function _draw(bytes32 seed, uint256 j, uint256 length) private pure returns (uint256 index) {
        assembly ("memory-safe") {
            mstore(0, seed)
            mstore(0x20, j)
            index := mod(keccak256(0, 0x40), length)
        }
    }

    /// @dev Whether somebody holds a seat at `asOf`. Remembers if that will be so for every encounter that can still be
    /// settled.
    function _holds(SeatTable storage table, Party party, uint256 number, uint256 asOf, uint256 delay)
        private
        view
        returns (bool)
    {
        if (party.isNobody()) return false;
        uint256 tenured = party.pledge().tenuredSeat();
        if (tenured != 0) return tenured == number; // Nobody is active on two seats at one moment.
        Seat memory seat = table.seats[number - 1];
        if (seat.member != party.who() || !_isActive(seat, asOf)) return false;
        if (seat.inactiveFrom == SEATED && seat.activeFrom + delay < block.timestamp) {
            party.setPledge(party.pledge().setTenuredSeat(number));
        }
        return true;
    }

    /// @dev Whether a drawn seat does not count: nobody held it, or somebody who has a part in the encounter already.
    function _isSkipped(
        SeatTable storage table,
        uint256 number,
        Head head,
        Party[] memory parties,
        Party[] memory voters,
        uint256 count
    ) private view returns (bool) {
        (Party learner, Party neighbor) = (parties.get(head.learner()), parties.get(head.neighbor()));
        // All but the learner's pledge will be needed anyway.
        if (neighbor.pledge().tenuredSeat() == number || learner.knownSeat() == number) return true;
        for (uint256 i; i < count; ++i) {
            if (voters.get(i).knownSeat() == number) return true;
        }
        Seat memory seat = table.seats[number - 1];
        if (!_isActive(seat, head.asOf())) return true;
        if (seat.member == learner.who() || seat.member == neighbor.who()) return true;
        for (uint256 i; i < count; ++i) {
            if (seat.member == voters.get(i).who()) return true;
        }
        return false;
    }

    function _isActive(Seat memory seat, uint256 asOf) private pure returns (bool) {
        return seat.activeFrom < asOf && asOf <= seat.inactiveFrom;
    }
}
