// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {TaskParams} from "../interfaces/IIDML.sol";

/// @notice What a vote moves. Amounts are in base units of the token; what the learner prepaid is to be given out.
/// @param caseNumber 1: too few voted, 2: all yes, 3: all no, 4: accepted with a minority of no, 5: rejected with a
/// minority of yes.
/// @param neighborGain What the neighbor gets.
/// @param neighborLoss What the neighbor's stake loses.
/// @param learnerRefund What returns to the learner.
/// @param burnt What nobody gets.
/// @param share What each winner gets.
/// @param penalty What each loser's stake loses.
struct Split {
    uint8 caseNumber;
    uint256 neighborGain;
    uint256 neighborLoss;
    uint256 learnerRefund;
    uint256 burnt;
    uint256 share;
    uint256 penalty;
}

/// @title Settlement
/// @notice The five cases in which an encounter is settled. All divisions round down; the sum over all parties is 0.
library Settlement {
    uint256 internal constant BPS = 10_000;

    /// @notice Whether a case number says that the contribution was accepted.
    function isAccepted(uint256 caseNumber) internal pure returns (bool) {
        return caseNumber == 2 || caseNumber == 4;
    }

    /// @notice `bps` of `amount`, rounded down.
    function shareDown(uint256 amount, uint256 bps) internal pure returns (uint256) {
        return amount * bps / BPS;
    }

    /// @notice The most a validator can lose, locked when it votes.
    /// @dev A loser implies a winner, hence two votes: no penalty exceeds half the pot.
    function voterLock(TaskParams memory params, uint256 reward) internal pure returns (uint256) {
        uint256 validatorPot = reward - shareDown(reward, params.neighborShareBps);
        uint256 rejectPot = shareDown(reward, params.rejectPotBps);
        return (validatorPot > rejectPot ? validatorPot : rejectPot) / 2;
    }

    /// @notice Settles a vote.
    /// @param params The task; its shares are at most 100 %.
    /// @param reward What the learner prepaid and the neighbor risked.
    /// @param votesFor Yes votes.
    /// @param votesAgainst No votes.
    function settle(TaskParams memory params, uint256 reward, uint256 votesFor, uint256 votesAgainst)
        internal
        pure
        returns (Split memory split)
    {
        if (votesFor + votesAgainst < params.quorum) {
            split.caseNumber = 1;
            split.neighborGain = shareDown(reward, params.noVoteBps);
            split.burnt = reward - split.neighborGain;
        } else if (votesFor > votesAgainst || (votesFor == votesAgainst && params.tieAccepts)) {
            split.caseNumber = votesAgainst == 0 ? 2 : 4;
            split.neighborGain = shareDown(reward, params.neighborShareBps);
            split.learnerRefund = _divide(split, reward - split.neighborGain, votesFor, votesAgainst);
        } else {
            split.caseNumber = votesFor == 0 ? 3 : 5;
            split.neighborLoss = reward;
            uint256 rejectPot = shareDown(reward, params.rejectPotBps);
            split.burnt = reward - rejectPot;
            split.learnerRefund = reward + _divide(split, rejectPot, votesAgainst, votesFor);
        }
    }

    /// @dev Divides a pot, raised by what the losers pay, among the winners. Returns the dust.
    function _divide(Split memory split, uint256 pot, uint256 winners, uint256 losers)
        private
        pure
        returns (uint256 dust)
    {
        if (losers > 0) split.penalty = pot / (winners + losers);
        uint256 total = pot + losers * split.penalty;
        split.share = total / winners;
        return total - winners * split.share;
    }
}
