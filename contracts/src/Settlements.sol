// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Base} from "./Base.sol";
import {Parties, Party} from "./libraries/Parties.sol";
import {Pledge, Pledges} from "./libraries/Pledges.sol";
import {Rule} from "./libraries/Rules.sol";
import {Settlement, Split} from "./libraries/Settlement.sol";
import {Stages} from "./libraries/Stages.sol";

/// @title Settlements
/// @notice How an encounter's money is divided, whichever way it came to its votes.
abstract contract Settlements is Base {
    using Parties for Party[];

    /// @dev Pays by the votes cast; the one place where an encounter's money is divided. Cannot revert.
    /// @param locked Whether the neighbor's and the voters' penalties are locked; else losers pay what they have.
    /// @param ballots Bit i set: `voters[i]` voted yes.
    /// @return caseNumber As in `Split`.
    /// @return votesFor How many voted yes.
    /// @return refund What the learner gets back, for the caller to give to it.
    function _settle(Rule rule, uint256 reward, bool locked, Party neighbor, Party[] memory voters, uint256 ballots)
        internal
        returns (uint256 caseNumber, uint256 votesFor, uint256 refund)
    {
        unchecked {
            if (voters.length >= rule.quorum() && ballots == (1 << voters.length) - 1) {
                return (2, voters.length, _settleUnanimous(rule, reward, locked, neighbor, voters, ballots));
            }
            votesFor = Stages.count(ballots);
            uint256 atRisk = locked ? reward : _atRisk(neighbor, reward);
            Split memory split = Settlement.settle(rule, reward, atRisk, votesFor, voters.length - votesFor);
            caseNumber = split.caseNumber;

            _payNeighbor(neighbor, locked ? reward : 0, split);
            uint256 lock = locked ? Settlement.voterLock(rule, reward) : 0;
            refund = split.learnerRefund + _payVoters(voters, ballots, lock, split, votesFor);
            if (split.burnt > 0) _burn(split.burnt);
        }
    }

    /// @dev Case 2, which is what most encounters come to, without what only the other cases need. Returns the dust.
    function _settleUnanimous(
        Rule rule,
        uint256 reward,
        bool locked,
        Party neighbor,
        Party[] memory voters,
        uint256 everyone
    ) private returns (uint256 dust) {
        uint256 gain = Settlement.shareDown(reward, rule.neighborShareBps());
        uint256 share;
        unchecked {
            (share, dust) = Settlement.divide(reward - gain, 0, voters.length);
        }
        uint256 lock = locked ? Settlement.voterLock(rule, reward) : 0;
        neighbor.countAccepted(neighbor.pledge().unlock(locked ? reward : 0).add(gain));
        voters.addTo(everyone, Pledges.wonDelta(share, lock));
    }

    function _atRisk(Party neighbor, uint256 reward) private view returns (uint256) {
        uint256 free = neighbor.pledge().free();
        if (free >= reward) return reward;
        uint256 losable = free + neighbor.stored().exit.unbonding;
        return losable < reward ? losable : reward;
    }

    function _payNeighbor(Party neighbor, uint256 locked, Split memory split) private {
        Pledge pledge = neighbor.pledge().unlock(locked).add(split.neighborGain);
        if (Settlement.isAccepted(split.caseNumber)) {
            neighbor.countAccepted(pledge);
            return;
        }
        neighbor.setPledge(pledge);
        if (split.caseNumber == 1) {
            ++neighbor.stored().record.unjudged;
        } else {
            ++neighbor.stored().record.rejected;
            _penalize(neighbor, split.neighborLoss);
        }
    }

    /// @dev Returns the dust. Below the quorum a voter neither gains nor loses.
    function _payVoters(Party[] memory voters, uint256 ballots, uint256 lock, Split memory split, uint256 votesFor)
        private
        returns (uint256 dust)
    {
        // Bit i set: voters[i] is on the winning side.
        uint256 everyone = (1 << voters.length) - 1;
        bool accepted = Settlement.isAccepted(split.caseNumber);
        uint256 won = accepted ? ballots : ballots ^ everyone;
        uint256 winners = accepted ? votesFor : voters.length - votesFor;
        if (split.caseNumber == 1) return _unlock(voters, lock);

        uint256 collected;
        if (won != everyone) collected = _payLosers(voters, won, lock, split.penalty);
        uint256 share;
        (share, dust) = Settlement.divide(split.pot, collected, winners);
        voters.addTo(won, Pledges.wonDelta(share, lock));
    }

    /// @dev Returns what they paid.
    function _payLosers(Party[] memory voters, uint256 won, uint256 lock, uint256 penalty)
        private
        returns (uint256 collected)
    {
        for (uint256 i; i < voters.length; ++i) {
            if (won >> i & 1 != 0) continue;
            Party voter = voters.get(i);
            voter.setPledge(voter.pledge().unlock(lock));
            ++voter.stored().record.votesAgainst;
            collected += _penalize(voter, penalty);
        }
    }

    function _unlock(Party[] memory voters, uint256 lock) private view returns (uint256) {
        for (uint256 i; i < voters.length; ++i) {
            Party voter = voters.get(i);
            voter.setPledge(voter.pledge().unlock(lock));
        }
        return 0;
    }
}
