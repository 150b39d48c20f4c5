// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {Rule} from "./Rules.sol";

/// @notice What a vote moves. Amounts are in base units of the token; what the learner prepaid is to be given out.
/// @param caseNumber 1: too few voted, 2: all yes, 3: all no, 4: accepted with a minority of no, 5: rejected with a
/// minority of yes.
/// @param neighborGain What the neighbor gets.
/// @param neighborLoss What the neighbor's stake loses.
/// @param learnerRefund What returns to the learner, besides the dust of the pot.
/// @param burnt What nobody gets.
/// @param pot What the winners share, besides what the losers pay.
/// @param penalty What each loser's stake loses.
struct Split {
    uint256 caseNumber;
    uint256 neighborGain;
    uint256 neighborLoss;
    uint256 learnerRefund;
    uint256 burnt;
    uint256 pot;
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
        unchecked {
            return amount * bps / BPS; // 96 bits times 14 bits.
        }
    }

    /// @notice The most a validator can lose, locked when it votes.
    /// @dev A loser implies a winner, hence two votes: no penalty exceeds half the pot.
    function voterLock(Rule rule, uint256 reward) internal pure returns (uint256) {
        uint256 validatorPot = reward - shareDown(reward, rule.neighborShareBps());
        uint256 rejectPot = shareDown(reward, rule.rejectPotBps());
        return (validatorPot > rejectPot ? validatorPot : rejectPot) / 2;
    }

    /// @notice Which case the votes make, 1 to 5.
    function judge(Rule rule, uint256 votesFor, uint256 votesAgainst) internal pure returns (uint256 caseNumber) {
        unchecked {
            if (votesFor + votesAgainst < rule.quorum()) return 1;
        }
        if (votesFor > votesAgainst || (votesFor == votesAgainst && rule.tieAccepts())) {
            return votesAgainst == 0 ? 2 : 4;
        }
        return votesFor == 0 ? 3 : 5;
    }

    /// @notice Settles a vote.
    /// @param rule The task; its shares are at most 100 %.
    /// @param reward What the learner prepaid.
    /// @param atRisk What the neighbor's stake can lose: the reward where it is locked, else at most that.
    function settle(Rule rule, uint256 reward, uint256 atRisk, uint256 votesFor, uint256 votesAgainst)
        internal
        pure
        returns (Split memory split)
    {
        unchecked {
            uint256 caseNumber = judge(rule, votesFor, votesAgainst);
            split.caseNumber = caseNumber;
            if (caseNumber == 1) {
                split.neighborGain = shareDown(reward, rule.noVoteBps());
                split.burnt = reward - split.neighborGain;
                return split;
            }
            if (isAccepted(caseNumber)) {
                split.neighborGain = shareDown(reward, rule.neighborShareBps());
                split.pot = reward - split.neighborGain;
            } else {
                split.neighborLoss = atRisk;
                split.pot = shareDown(atRisk, rule.rejectPotBps());
                split.burnt = atRisk - split.pot;
                split.learnerRefund = reward;
            }
            if (caseNumber > 3) split.penalty = split.pot / (votesFor + votesAgainst);
        }
    }

    /// @notice Divides the pot and what the losers paid.
    /// @return share What each winner gets.
    /// @return dust What is left over, less than one base unit for each winner.
    function divide(uint256 pot, uint256 collected, uint256 winners)
        internal
        pure
        returns (uint256 share, uint256 dust)
    {
        unchecked {
            uint256 total = pot + collected;
            // What the division drops is the dust.
            // slither-disable-next-line divide-before-multiply
            share = total / winners;
            dust = total - winners * share;
        }
    }
}
