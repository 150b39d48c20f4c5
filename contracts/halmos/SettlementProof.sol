// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {Rule} from "../src/libraries/Rules.sol";
import {Settlement, Split} from "../src/libraries/Settlement.sol";

/// @notice Proves for all 96-bit rewards, one number of votes for and against at a time, that a settlement creates and
/// loses nothing and takes from nobody more than was to be locked. Solvers need fixed counts and shares; fuzz tests
/// vary those.
/// @dev Run by halmos, which takes each argument of a `check_` function as unknown. In two steps, which together are
/// conservation: all that comes in is paid out or in the pot (here); all that is in the pot is divided (`DivideProof`).
/// What losers pay goes into the pot, so it stands on both sides.
abstract contract SettlementProof {
    uint256 private constant NEIGHBOR_SHARE_BPS = 8000;

    /// @dev As `preset_task` of the Python package makes it, of the fields that money depends on.
    function _rule() internal pure virtual returns (Rule);

    function _pack(uint256 noVoteBps, uint256 rejectPotBps, uint256 quorum) internal pure returns (Rule) {
        uint256 tieAccepts = 1;
        return Rule.wrap(
            NEIGHBOR_SHARE_BPS | noVoteBps << 32 | rejectPotBps << 48 | 3 << 64 | quorum << 80 | tieAccepts << 88
        );
    }

    /// @param atRisk What the neighbor can lose.
    function _prove(uint256 reward, uint256 atRisk, uint256 yes, uint256 no) internal pure {
        if (atRisk > reward) return;
        Split memory split = Settlement.settle(_rule(), reward, atRisk, yes, no);

        bool judged = yes + no >= _rule().quorum();
        bool accepted = judged && yes >= no;
        assert(Settlement.isAccepted(split.caseNumber) == accepted && (split.caseNumber == 1) == !judged);
        // The sums are checked, and no part is above what comes in, so none is negative or wrapped around.
        assert(reward + split.neighborLoss == split.neighborGain + split.learnerRefund + split.burnt + split.pot);
        assert(split.neighborLoss == (judged && !accepted ? atRisk : 0));
        assert(split.learnerRefund == (judged && !accepted ? reward : 0));
        uint256 source = judged && !accepted ? atRisk : reward;
        assert(split.neighborGain <= source && split.burnt <= source && split.pot <= source);
        assert(split.penalty <= Settlement.voterLock(_rule(), reward));
        if (!judged || yes == 0 || no == 0) assert(split.penalty == 0); // Nobody lost.
        if (!judged) assert(split.pot == 0); // Nobody is there to divide it.
    }

    function check_locked_0_0(uint96 reward) external pure {
        _prove(reward, reward, 0, 0);
    }

    function check_locked_0_1(uint96 reward) external pure {
        _prove(reward, reward, 0, 1);
    }

    function check_locked_0_2(uint96 reward) external pure {
        _prove(reward, reward, 0, 2);
    }

    function check_locked_0_3(uint96 reward) external pure {
        _prove(reward, reward, 0, 3);
    }

    function check_locked_1_0(uint96 reward) external pure {
        _prove(reward, reward, 1, 0);
    }

    function check_locked_1_1(uint96 reward) external pure {
        _prove(reward, reward, 1, 1);
    }

    function check_locked_1_2(uint96 reward) external pure {
        _prove(reward, reward, 1, 2);
    }

    function check_locked_2_0(uint96 reward) external pure {
        _prove(reward, reward, 2, 0);
    }

    function check_locked_2_1(uint96 reward) external pure {
        _prove(reward, reward, 2, 1);
    }

    function check_locked_3_0(uint96 reward) external pure {
        _prove(reward, reward, 3, 0);
    }

    function check_short_0_0(uint96 reward, uint96 atRisk) external pure {
        _prove(reward, atRisk, 0, 0);
    }

    function check_short_0_1(uint96 reward, uint96 atRisk) external pure {
        _prove(reward, atRisk, 0, 1);
    }

    function check_short_0_2(uint96 reward, uint96 atRisk) external pure {
        _prove(reward, atRisk, 0, 2);
    }

    function check_short_0_3(uint96 reward, uint96 atRisk) external pure {
        _prove(reward, atRisk, 0, 3);
    }

    function check_short_1_0(uint96 reward, uint96 atRisk) external pure {
        _prove(reward, atRisk, 1, 0);
    }

    function check_short_1_1(uint96 reward, uint96 atRisk) external pure {
        _prove(reward, atRisk, 1, 1);
    }

    function check_short_1_2(uint96 reward, uint96 atRisk) external pure {
        _prove(reward, atRisk, 1, 2);
    }

    function check_short_2_0(uint96 reward, uint96 atRisk) external pure {
        _prove(reward, atRisk, 2, 0);
    }

    function check_short_2_1(uint96 reward, uint96 atRisk) external pure {
        _prove(reward, atRisk, 2, 1);
    }

    function check_short_3_0(uint96 reward, uint96 atRisk) external pure {
        _prove(reward, atRisk, 3, 0);
    }
}

/// @notice The preset `paper`.
contract PaperSettlementProof is SettlementProof {
    function _rule() internal pure override returns (Rule) {
        return _pack(10_000, 10_000, 1);
    }
}

/// @notice The preset `safe`.
contract SafeSettlementProof is SettlementProof {
    function _rule() internal pure override returns (Rule) {
        return _pack(8000, 4000, 2);
    }
}

/// @notice Proves that a pot is divided to the last unit, whatever the losers could pay.
contract DivideProof {
    function check_divide_1(uint96 pot, uint96 collected) external pure {
        _prove(pot, collected, 1);
    }

    function check_divide_2(uint96 pot, uint96 collected) external pure {
        _prove(pot, collected, 2);
    }

    /// @dev Only the sum of both is divided.
    function check_divide_3(uint96 total) external pure {
        _prove(total, 0, 3);
    }

    function _prove(uint256 pot, uint256 collected, uint256 winners) private pure {
        (uint256 share, uint256 dust) = Settlement.divide(pot, collected, winners);
        uint256 paid = dust;
        for (uint256 i; i < winners; ++i) {
            paid += share;
        }
        assert(paid == pot + collected);
        assert(dust < winners);
    }
}
