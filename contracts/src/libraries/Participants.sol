// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {Account, History, Release} from "../interfaces/IIDML.sol";
import {Pledge, Pledges} from "./Pledges.sol";
import {Purse, Purses} from "./Purses.sol";

using Participants for Participant global;

/// @notice One participant. Each part fills one storage slot, so that a step of an encounter writes one slot for
/// each party: the learner's purse or the pledge of a neighbor or validator. Fields as in `Account` and `History`,
/// except for those described here.
struct Participant {
    Purse purse;
    Pledge pledge;
    Record record;
    Plan plan;
    Exit exit;
    Release release;
    Carry carry;
}

/// @param unjudged Encounters as a neighbor for which too few voted.
/// @param rejectedAsLearner Encounters as a learner that the neighbor refused.
/// @param retired Nonces that no encounter used.
struct Record {
    uint32 rejected;
    uint32 unjudged;
    uint32 incompleteAsNeighbor;
    uint32 votesAgainst;
    uint32 incompleteAsLearner;
    uint32 rejectedAsLearner;
    uint32 retired;
    uint32 seat;
}

/// @param level What of `Pledge.stake` is pledged; more is earnings. At least the target.
struct Plan {
    uint96 target;
    uint96 level;
    uint40 seatFrom;
}

struct Exit {
    uint96 unbonding;
    uint40 releaseAt;
}

/// @notice How often the counters of the pledge were full, once in 2^16 encounters each.
struct Carry {
    uint32 accepted;
    uint32 votesWith;
}

/// @title Participants
/// @notice What there is to know about a participant.
library Participants {
    /// @notice Says how much is pledged from now on; rewards refill it up to the target.
    function setLevel(Participant storage self, uint256 pledged) internal {
        Plan memory plan = self.plan;
        uint256 level = pledged > plan.target ? pledged : plan.target;
        if (level != plan.level) self.plan.level = uint96(level);
    }

    function account(Participant storage self) internal view returns (Account memory) {
        (Purse purse, Pledge pledge) = (self.purse, self.pledge);
        (Plan memory plan, Exit memory exit) = (self.plan, self.exit);
        uint256 pledged = pledge.stake() < plan.level ? pledge.stake() : plan.level;
        if (pledged < pledge.locked()) pledged = pledge.locked(); // A lock holds earnings like stake.
        return Account({
            balance: uint96(purse.balance() + pledge.stake() - pledged),
            stake: uint96(pledged),
            locked: uint96(pledge.locked()),
            target: plan.target,
            unbonding: exit.unbonding,
            releaseAt: exit.releaseAt,
            nonceBase: uint32(purse.nonceBase()),
            nonceWindow: uint64(purse.nonceWindow()),
            seat: self.record.seat,
            seatFrom: plan.seatFrom,
            budgetReward: uint96(purse.budgetReward()),
            budgetNonces: uint8(purse.budgetNonces())
        });
    }

    function history(Participant storage self) internal view returns (History memory) {
        (Purse purse, Pledge pledge, Record memory record) = (self.purse, self.pledge, self.record);
        uint32 accepted = uint32(uint256(self.carry.accepted) << 16 | pledge.accepted());
        uint256 used = purse.nonceBase();
        for (uint256 window = purse.nonceWindow(); window != 0; window &= window - 1) {
            ++used;
        }
        uint256 other = purse.open() + record.incompleteAsLearner + record.rejectedAsLearner + record.retired;
        return History({
            completedAsLearner: uint32(used - other),
            incompleteAsLearner: record.incompleteAsLearner,
            completedAsNeighbor: accepted + record.rejected + record.unjudged,
            incompleteAsNeighbor: record.incompleteAsNeighbor,
            accepted: accepted,
            rejected: record.rejected,
            votesWith: uint32(uint256(self.carry.votesWith) << 16 | pledge.votesWith()),
            votesAgainst: record.votesAgainst
        });
    }
}
