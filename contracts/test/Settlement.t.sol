// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {TaskParams} from "../src/interfaces/IIDML.sol";
import {Rule} from "../src/libraries/Rules.sol";
import {Settlement, Split} from "../src/libraries/Settlement.sol";
import {packRules} from "./utils/IDMLTest.sol";
import {Test} from "./utils/Test.sol";

/// @notice What everyone gets and pays when all losers can pay.
struct Payout {
    uint256 caseNumber;
    uint256 neighborGain;
    uint256 neighborLoss;
    uint256 learnerRefund;
    uint256 burnt;
    uint256 share;
    uint256 penalty;
}

contract SettlementTest is Test {
    /* EXAMPLES, computed by hand from the table: reward 101, neighbor 80 %, no-vote share 70 %, reject pot 40 % */

    function test_settle_case1() public pure {
        check(1, 0, 0, Payout(1, 70, 0, 0, 31, 0, 0));
        check(3, 1, 1, Payout(1, 70, 0, 0, 31, 0, 0));
    }

    function test_settle_case2() public pure {
        check(1, 1, 0, Payout(2, 80, 0, 0, 0, 21, 0));
        check(1, 2, 0, Payout(2, 80, 0, 1, 0, 10, 0));
    }

    function test_settle_case3() public pure {
        check(1, 0, 1, Payout(3, 0, 101, 101, 61, 40, 0));
        check(1, 0, 3, Payout(3, 0, 101, 102, 61, 13, 0));
    }

    function test_settle_case4() public pure {
        check(1, 1, 1, Payout(4, 80, 0, 0, 0, 31, 10));
        check(1, 2, 1, Payout(4, 80, 0, 0, 0, 14, 7));
        check(1, 3, 2, Payout(4, 80, 0, 2, 0, 9, 4));
    }

    function test_settle_case5() public pure {
        check(1, 1, 2, Payout(5, 0, 101, 102, 61, 26, 13));
        check(1, 2, 3, Payout(5, 0, 101, 103, 61, 18, 8));
    }

    function test_settle_tie() public pure {
        TaskParams memory p = params(1);
        p.tieAccepts = false;
        same(pay(p, 101, 101, 1, 1), Payout(5, 0, 101, 101, 61, 60, 20));
    }

    /// @dev A neighbor that can lose only 50 of 101: a smaller pot, and the learner still gets its reward back.
    function test_settle_shortNeighbor() public pure {
        same(pay(params(1), 101, 50, 0, 3), Payout(3, 0, 50, 103, 30, 6, 0));
        same(pay(params(1), 101, 50, 1, 2), Payout(5, 0, 50, 101, 30, 13, 6));
        same(pay(params(1), 101, 0, 1, 2), Payout(5, 0, 0, 101, 0, 0, 0));
        same(pay(params(1), 101, 0, 2, 1), Payout(4, 80, 0, 0, 0, 14, 7));
    }

    function test_isAccepted() public pure {
        for (uint256 i = 1; i <= 5; ++i) {
            assertTrue(Settlement.isAccepted(i) == (i == 2 || i == 4), "accepted");
        }
    }

    /* WHAT HOLDS FOR ALL */

    /// @dev What is given equals what was prepaid and taken; nothing is below zero, as all numbers are unsigned.
    function testFuzz_settle_conserves(uint256 random, uint96 reward, uint96 atRisk, uint256 yes, uint256 no)
        public
        pure
    {
        TaskParams memory p;
        (p, yes, no) = draw(random, yes, no);
        Payout memory s = pay(p, reward, bound(atRisk, 0, reward), yes, no);
        (uint256 winners, uint256 losers) = sides(s.caseNumber, yes, no);
        uint256 given = s.neighborGain + s.learnerRefund + s.burnt + winners * s.share;
        assertEq(given, uint256(reward) + s.neighborLoss + losers * s.penalty, "sum");
    }

    /// @dev Whatever losers can pay, nothing of the pot is lost and nothing is minted.
    function testFuzz_divide_conserves(uint96 pot, uint96 collected, uint256 winners) public pure {
        winners = bound(winners, 1, 16);
        (uint256 share, uint256 dust) = Settlement.divide(pot, collected, winners);
        assertEq(winners * share + dust, uint256(pot) + collected, "sum");
        assertLe(dust + 1, winners, "dust");
    }

    /// @dev Nobody loses more than was locked; only dust returns beyond the prepayment.
    function testFuzz_settle_staysInBounds(uint256 random, uint96 reward, uint96 atRisk, uint256 yes, uint256 no)
        public
        pure
    {
        TaskParams memory p;
        (p, yes, no) = draw(random, yes, no);
        uint256 most = bound(atRisk, 0, reward);
        Payout memory s = pay(p, reward, most, yes, no);
        (uint256 winners, uint256 losers) = sides(s.caseNumber, yes, no);
        assertLe(s.penalty, Settlement.voterLock(Rule.wrap(packRules(p)), reward), "penalty");
        assertLe(s.neighborGain + s.burnt, reward, "gain and burn");
        assertTrue(s.neighborLoss == 0 || s.neighborLoss == most, "loss");
        assertTrue(s.neighborGain == 0 || s.neighborLoss == 0, "gain or loss");
        assertTrue(losers > 0 || s.penalty == 0, "a penalty without losers");
        uint256 prepaid = Settlement.isAccepted(s.caseNumber) || s.caseNumber == 1 ? 0 : reward;
        assertTrue(s.learnerRefund == prepaid || s.learnerRefund - prepaid < winners, "dust");
    }

    function testFuzz_settle_caseFollowsTheVotes(uint256 random, uint96 reward, uint256 yes, uint256 no) public pure {
        TaskParams memory p;
        (p, yes, no) = draw(random, yes, no);
        uint256 found = pay(p, reward, reward, yes, no).caseNumber;
        if (yes + no < p.quorum) assertEq(found, 1, "too few");
        else if (no == 0) assertEq(found, 2, "all yes");
        else if (yes == 0) assertEq(found, 3, "all no");
        else if (yes == no) assertEq(found, p.tieAccepts ? 4 : 5, "tie");
        else assertEq(found, yes > no ? 4 : 5, "majority");
    }

    /// @dev At the bounds: no token, one unit, all tokens there can be; every share at its ends.
    function test_settle_atTheBounds() public pure {
        uint96[4] memory rewards = [0, 1, 2, type(uint96).max];
        uint16[3] memory shares = [0, 5000, 10_000];
        for (uint256 i; i < 4 * 3 * 3 * 3 * 4 * 4; ++i) {
            TaskParams memory p = params(1);
            (p.neighborShareBps, p.rejectPotBps, p.noVoteBps) =
            (shares[i / 4 % 3], shares[i / 12 % 3], shares[i / 36 % 3]);
            (uint256 yes, uint256 no) = (i / 108 % 4, i / 432);
            Payout memory s = pay(p, rewards[i % 4], rewards[i % 4], yes, no);
            (uint256 winners, uint256 losers) = sides(s.caseNumber, yes, no);
            uint256 given = s.neighborGain + s.learnerRefund + s.burnt + winners * s.share;
            assertEq(given, uint256(rewards[i % 4]) + s.neighborLoss + losers * s.penalty, "sum");
        }
    }

    /* HELPERS */

    function params(uint8 quorum) private pure returns (TaskParams memory p) {
        (p.neighborShareBps, p.noVoteBps, p.rejectPotBps) = (8000, 7000, 4000);
        (p.votes, p.quorum, p.tieAccepts) = (5, quorum, true);
    }

    function check(uint8 quorum, uint256 votesFor, uint256 votesAgainst, Payout memory expected) private pure {
        same(pay(params(quorum), 101, 101, votesFor, votesAgainst), expected);
    }

    function same(Payout memory found, Payout memory expected) private pure {
        assertEq(keccak256(abi.encode(found)), keccak256(abi.encode(expected)), "payout");
    }

    function pay(TaskParams memory p, uint256 reward, uint256 atRisk, uint256 yes, uint256 no)
        private
        pure
        returns (Payout memory)
    {
        Split memory s = Settlement.settle(Rule.wrap(packRules(p)), reward, atRisk, yes, no);
        (uint256 winners, uint256 losers) = sides(s.caseNumber, yes, no);
        (uint256 share, uint256 dust) = (0, 0);
        if (winners > 0) (share, dust) = Settlement.divide(s.pot, losers * s.penalty, winners);
        return Payout(s.caseNumber, s.neighborGain, s.neighborLoss, s.learnerRefund + dust, s.burnt, share, s.penalty);
    }

    /// @dev Any task and any votes that it admits.
    function draw(uint256 random, uint256 votesFor, uint256 votesAgainst)
        private
        pure
        returns (TaskParams memory p, uint256 yes, uint256 no)
    {
        p.neighborShareBps = uint16(bound(uint64(random), 0, 10_000));
        p.noVoteBps = uint16(bound(uint64(random >> 64), 0, 10_000));
        p.rejectPotBps = uint16(bound(uint64(random >> 128), 0, 10_000));
        p.votes = uint8(bound(uint8(random >> 192), 1, 16));
        p.quorum = uint8(bound(uint8(random >> 200), 1, p.votes));
        p.tieAccepts = random >> 255 == 1;
        yes = bound(votesFor, 0, p.votes);
        no = bound(votesAgainst, 0, p.votes - yes);
    }

    function sides(uint256 caseNumber, uint256 yes, uint256 no) private pure returns (uint256 winners, uint256 losers) {
        if (caseNumber == 1) return (0, 0);
        return Settlement.isAccepted(caseNumber) ? (yes, no) : (no, yes);
    }
}
