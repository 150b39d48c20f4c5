// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {TaskParams} from "../src/interfaces/IIDML.sol";
import {Settlement, Split} from "../src/libraries/Settlement.sol";
import {Test} from "./utils/Test.sol";

contract SettlementTest is Test {
    /* EXAMPLES, computed by hand from the table: reward 101, neighbor 80 %, no-vote share 70 %, reject pot 40 % */

    function test_settle_case1() public pure {
        check(1, 0, 0, Split(1, 70, 0, 0, 31, 0, 0));
        check(3, 1, 1, Split(1, 70, 0, 0, 31, 0, 0));
    }

    function test_settle_case2() public pure {
        check(1, 1, 0, Split(2, 80, 0, 0, 0, 21, 0));
        check(1, 2, 0, Split(2, 80, 0, 1, 0, 10, 0));
    }

    function test_settle_case3() public pure {
        check(1, 0, 1, Split(3, 0, 101, 101, 61, 40, 0));
        check(1, 0, 3, Split(3, 0, 101, 102, 61, 13, 0));
    }

    function test_settle_case4() public pure {
        check(1, 1, 1, Split(4, 80, 0, 0, 0, 31, 10));
        check(1, 2, 1, Split(4, 80, 0, 0, 0, 14, 7));
        check(1, 3, 2, Split(4, 80, 0, 2, 0, 9, 4));
    }

    function test_settle_case5() public pure {
        check(1, 1, 2, Split(5, 0, 101, 102, 61, 26, 13));
        check(1, 2, 3, Split(5, 0, 101, 103, 61, 18, 8));
    }

    function test_settle_tie() public pure {
        TaskParams memory p = params(1);
        p.tieAccepts = false;
        assertEq(
            keccak256(abi.encode(Settlement.settle(p, 101, 1, 1))),
            keccak256(abi.encode(Split(5, 0, 101, 101, 61, 60, 20))),
            "tie"
        );
    }

    function test_isAccepted() public pure {
        for (uint256 i = 1; i <= 5; ++i) {
            assertTrue(Settlement.isAccepted(i) == (i == 2 || i == 4), "accepted");
        }
    }

    /* WHAT HOLDS FOR ALL */

    /// @dev What is given equals what was prepaid and taken; nothing is below zero, as all numbers are unsigned.
    function testFuzz_settle_conserves(uint256 random, uint96 reward, uint256 votesFor, uint256 votesAgainst)
        public
        pure
    {
        (TaskParams memory p, uint256 yes, uint256 no) = draw(random, votesFor, votesAgainst);
        Split memory s = Settlement.settle(p, reward, yes, no);
        (uint256 winners, uint256 losers) = sides(s, yes, no);
        uint256 given = s.neighborGain + s.learnerRefund + s.burnt + winners * s.share;
        assertEq(given, uint256(reward) + s.neighborLoss + losers * s.penalty, "sum");
    }

    /// @dev Nobody loses more than was locked; only dust returns beyond the prepayment.
    function testFuzz_settle_staysInBounds(uint256 random, uint96 reward, uint256 votesFor, uint256 votesAgainst)
        public
        pure
    {
        (TaskParams memory p, uint256 yes, uint256 no) = draw(random, votesFor, votesAgainst);
        Split memory s = Settlement.settle(p, reward, yes, no);
        (uint256 winners, uint256 losers) = sides(s, yes, no);
        assertLe(s.penalty, Settlement.voterLock(p, reward), "penalty");
        assertLe(s.neighborGain + s.burnt, reward, "gain and burn");
        assertTrue(s.neighborLoss == 0 || s.neighborLoss == reward, "loss");
        assertTrue(s.neighborGain == 0 || s.neighborLoss == 0, "gain or loss");
        assertTrue(losers > 0 || s.penalty == 0, "a penalty without losers");
        uint256 prepaid = Settlement.isAccepted(s.caseNumber) || s.caseNumber == 1 ? 0 : reward;
        assertTrue(s.learnerRefund == prepaid || s.learnerRefund - prepaid < winners, "dust");
    }

    function testFuzz_settle_caseFollowsTheVotes(uint256 random, uint96 reward, uint256 votesFor, uint256 votesAgainst)
        public
        pure
    {
        (TaskParams memory p, uint256 yes, uint256 no) = draw(random, votesFor, votesAgainst);
        uint256 found = Settlement.settle(p, reward, yes, no).caseNumber;
        if (yes + no < p.quorum) assertEq(found, 1, "too few");
        else if (no == 0) assertEq(found, 2, "all yes");
        else if (yes == 0) assertEq(found, 3, "all no");
        else if (yes == no) assertEq(found, p.tieAccepts ? 4 : 5, "tie");
        else assertEq(found, yes > no ? 4 : 5, "majority");
    }

    /* HELPERS */

    function params(uint8 quorum) private pure returns (TaskParams memory p) {
        (p.neighborShareBps, p.noVoteBps, p.rejectPotBps) = (8000, 7000, 4000);
        (p.votes, p.quorum, p.tieAccepts) = (5, quorum, true);
    }

    function check(uint8 quorum, uint256 votesFor, uint256 votesAgainst, Split memory expected) private pure {
        Split memory found = Settlement.settle(params(quorum), 101, votesFor, votesAgainst);
        assertEq(keccak256(abi.encode(found)), keccak256(abi.encode(expected)), "split");
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
        p.votes = uint8(bound(uint8(random >> 192), 1, 32));
        p.quorum = uint8(bound(uint8(random >> 200), 1, p.votes));
        p.tieAccepts = random >> 255 == 1;
        yes = bound(votesFor, 0, p.votes);
        no = bound(votesAgainst, 0, p.votes - yes);
    }

    function sides(Split memory s, uint256 yes, uint256 no) private pure returns (uint256 winners, uint256 losers) {
        if (s.caseNumber == 1) return (0, 0);
        return Settlement.isAccepted(s.caseNumber) ? (yes, no) : (no, yes);
    }
}
