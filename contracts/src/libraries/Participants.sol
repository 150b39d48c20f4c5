// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {Account, History, IIDML} from "../interfaces/IIDML.sol";

/// @notice One participant. Each part fills one storage slot, so that a step of an encounter writes one slot for
/// each party: the learner's purse or the pledge of a neighbor or validator. Fields as in `Account` and `History`.
struct Participant {
    Purse purse;
    Pledge pledge;
    Standing standing;
    Exit exit;
}

struct Purse {
    uint96 balance;
    uint96 target;
    uint32 nonceBase;
    uint32 completedAsLearner;
}

struct Pledge {
    uint96 stake;
    uint96 locked;
    uint32 votesWith;
    uint32 votesAgainst;
}

struct Standing {
    uint64 nonceWindow;
    uint32 seat;
    uint32 incompleteAsLearner;
    uint32 completedAsNeighbor;
    uint32 incompleteAsNeighbor;
    uint32 accepted;
    uint32 rejected;
}

struct Exit {
    uint96 unbonding;
    uint40 releaseAt;
    uint40 seatFrom;
}

/// @title Participants
/// @notice What happens to one participant's slots.
/// @dev Safe casts: IDML never holds more than 2^96 - 1 tokens and no amount here exceeds what it holds.
library Participants {
    uint256 internal constant NONCE_WINDOW = 64;

    /// @notice Marks a nonce as used and moves the base beyond all that are used.
    /// @param purse The learner's purse, in memory; its base is changed there.
    function useNonce(Participant storage self, Purse memory purse, address learner, uint256 nonce) internal {
        uint256 base = purse.nonceBase;
        if (nonce < base || nonce >= base + NONCE_WINDOW) revert IIDML.NonceOutOfWindow(learner, nonce, base);
        uint256 window = self.standing.nonceWindow;
        uint256 bit = 1 << (nonce - base);
        if (window & bit != 0) revert IIDML.NonceUsed(learner, nonce);

        uint256 next = window | bit;
        for (; next & 1 != 0; next >>= 1) {
            ++base;
        }
        purse.nonceBase = uint32(base);
        if (next != window) self.standing.nonceWindow = uint64(next);
    }

    /// @notice Adds to the free balance.
    function credit(Participant storage self, uint256 amount) internal {
        if (amount > 0) self.purse.balance += uint96(amount);
    }

    /// @notice Adds what was earned: to the stake while it is below the target, the rest to the balance.
    /// @param pledge The participant's pledge, in memory; it is changed there.
    function reward(Participant storage self, Pledge memory pledge, uint256 amount) internal {
        if (amount == 0) return;
        Purse memory purse = self.purse;
        uint256 room = purse.target > pledge.stake ? purse.target - pledge.stake : 0;
        uint256 toStake = amount < room ? amount : room;

        pledge.stake += uint96(toStake);
        if (amount > toStake) self.purse.balance = purse.balance + uint96(amount - toStake);
    }

    function account(Participant storage self) internal view returns (Account memory) {
        (Purse memory purse, Pledge memory pledge) = (self.purse, self.pledge);
        (Standing memory standing, Exit memory exit) = (self.standing, self.exit);
        return Account({
            balance: purse.balance,
            stake: pledge.stake,
            locked: pledge.locked,
            target: purse.target,
            unbonding: exit.unbonding,
            releaseAt: exit.releaseAt,
            nonceBase: purse.nonceBase,
            nonceWindow: standing.nonceWindow,
            seat: standing.seat,
            seatFrom: exit.seatFrom
        });
    }

    function history(Participant storage self) internal view returns (History memory) {
        (Purse memory purse, Pledge memory pledge, Standing memory standing) = (self.purse, self.pledge, self.standing);
        return History({
            completedAsLearner: purse.completedAsLearner,
            incompleteAsLearner: standing.incompleteAsLearner,
            completedAsNeighbor: standing.completedAsNeighbor,
            incompleteAsNeighbor: standing.incompleteAsNeighbor,
            accepted: standing.accepted,
            rejected: standing.rejected,
            votesWith: pledge.votesWith,
            votesAgainst: pledge.votesAgainst
        });
    }
}
