// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {Encounter, History, IDMLTest, IRecords, Outcome, TaskParams, Terms} from "./utils/IDMLTest.sol";

contract FinalizeTest is IDMLTest {
    uint256 private constant GOOD_FAITH = 1e18; // 10 % of the reward.

    /* NOT JUDGED */

    function test_finalize_theNeighborIsSilent() public {
        Encounter memory e = opened();
        endsAfter(e, COMPLETION, Outcome.Incomplete, 0);
        expectHistory(learner, History(0, 1, 0, 0, 0, 0, 0, 0));
        expectHistory(neighbor, History(0, 0, 0, 1, 0, 0, 0, 0));
    }

    function test_finalize_theNeighborRefused() public {
        Encounter memory e = opened();
        refuse(e);
        endsAfter(e, COMPLETION, Outcome.Rejected, 0);
        expectHistory(learner, History(0, 0, 0, 0, 0, 0, 0, 0));
        expectHistory(neighbor, History(0, 0, 0, 0, 0, 0, 0, 0));
    }

    function test_finalize_theLearnerIsSilent() public {
        Encounter memory e = opened();
        reportAsNeighbor(e, RESULT);
        endsAfter(e, 2 * COMPLETION, Outcome.Incomplete, GOOD_FAITH);
        expectHistory(learner, History(0, 1, 0, 0, 0, 0, 0, 0));
        expectHistory(neighbor, History(0, 0, 0, 1, 0, 0, 0, 0));
    }

    function test_finalize_theLearnerDisagrees() public {
        Encounter memory e = opened();
        reportAsNeighbor(e, RESULT);
        reportAsLearner(e, OTHER_RESULT);
        endsAfter(e, COMPLETION, Outcome.Incomplete, GOOD_FAITH);
        expectHistory(learner, History(0, 1, 0, 0, 0, 0, 0, 0));
        expectHistory(neighbor, History(0, 0, 0, 1, 0, 0, 0, 0));
    }

    function test_finalize_theLearnerIsSilentWithOpenVoting() public {
        Encounter memory e = openedOpenly();
        reportAsNeighbor(e, RESULT);
        endsAfter(e, COMPLETION, Outcome.Incomplete, GOOD_FAITH);
    }

    function test_finalize_theLearnerDisagreesWithOpenVoting() public {
        Encounter memory e = openedOpenly();
        reportAsNeighbor(e, RESULT);
        reportAsLearner(e, OTHER_RESULT);
        endsAfter(e, COMPLETION, Outcome.Incomplete, GOOD_FAITH);
    }

    function test_finalize_goodFaithGoesToAShortStake() public {
        setTarget(neighbor, STAKE + GOOD_FAITH / 4);
        Encounter memory e = opened();
        reportAsNeighbor(e, RESULT);
        vm.warp(block.timestamp + 2 * COMPLETION + 1);
        finalize(e);
        expectMoney(neighbor, BALANCE + GOOD_FAITH * 3 / 4, STAKE + GOOD_FAITH / 4);
    }

    function test_finalize_revertsOnAnotherState() public {
        Encounter memory e = opened();
        vm.warp(block.timestamp + COMPLETION + 1);
        finalize(e);
        expect(IRecords.StateMismatch.selector, e.id);
        idml.finalize(e.progress);
    }

    /* JUDGED */

    function test_finalize_revertsDuringTheVote() public {
        Encounter memory e = validating();
        vote(e, e.progress.committee[0], true);
        uint256 due = e.since + VOTING;
        vm.warp(due);
        expect(IRecords.TooEarly.selector, e.id, due);
        idml.finalize(e.progress);
        vm.warp(due + 1);
        finalize(e);
    }

    /// @dev One of three votes is below the quorum: 70 % to the neighbor, the rest is burnt.
    function test_finalize_case1() public {
        Encounter memory e = settled(1, 1, 0);
        expectMoney(learner, BALANCE - REWARD, STAKE);
        expectMoney(neighbor, BALANCE + 7e18, STAKE);
        expectMoney(e.progress.committee[0], BALANCE, STAKE);
        expectMoney(address(0), 3e18, 0);
        expectHistory(learner, History(1, 0, 0, 0, 0, 0, 0, 0));
        expectHistory(neighbor, History(0, 0, 1, 0, 0, 0, 0, 0));
        expectHistory(e.progress.committee[0], History(0, 0, 0, 0, 0, 0, 0, 0));
    }

    function test_finalize_case1WithoutVotes() public {
        settled(1, 0, 0);
        expectMoney(neighbor, BALANCE + 7e18, STAKE);
        expectMoney(address(0), 3e18, 0);
    }

    /// @dev 80 % to the neighbor, 20 % among the voters.
    function test_finalize_case2() public {
        Encounter memory e = settled(2, 2, 0);
        expectMoney(learner, BALANCE - REWARD, STAKE);
        expectMoney(neighbor, BALANCE + 8e18, STAKE);
        expectMoney(e.progress.committee[0], BALANCE + 1e18, STAKE);
        expectMoney(e.progress.committee[2], BALANCE, STAKE);
        expectMoney(address(0), 0, 0);
        expectHistory(learner, History(1, 0, 0, 0, 0, 0, 0, 0));
        expectHistory(neighbor, History(0, 0, 1, 0, 1, 0, 0, 0));
        expectHistory(e.progress.committee[0], History(0, 0, 0, 0, 0, 0, 1, 0));
        expectHistory(e.progress.committee[2], History(0, 0, 0, 0, 0, 0, 0, 0));
    }

    /// @dev The neighbor loses the reward: 40 % among the voters (dust to the learner), the rest is burnt.
    function test_finalize_case3() public {
        Encounter memory e = settled(3, 0, 3);
        uint256 share = uint256(4e18) / 3;
        expectMoney(learner, BALANCE + 4e18 - 3 * share, STAKE);
        expectMoney(neighbor, BALANCE, STAKE - REWARD);
        for (uint256 i; i < 3; ++i) {
            expectMoney(e.progress.committee[i], BALANCE + share, STAKE);
            expectHistory(e.progress.committee[i], History(0, 0, 0, 0, 0, 0, 1, 0));
        }
        expectMoney(address(0), 6e18, 0);
        expectHistory(neighbor, History(0, 0, 1, 0, 0, 1, 0, 0));
    }

    /// @dev Two yes, one no: the loser pays a third of 20 %, the winners share that and the 20 %.
    function test_finalize_case4() public {
        Encounter memory e = settled(4, 2, 1);
        uint256 penalty = uint256(2e18) / 3;
        uint256 share = (2e18 + penalty) / 2;
        expectMoney(learner, BALANCE - REWARD + 2e18 + penalty - 2 * share, STAKE);
        expectMoney(neighbor, BALANCE + 8e18, STAKE);
        expectMoney(e.progress.committee[0], BALANCE + share, STAKE);
        expectMoney(e.progress.committee[1], BALANCE + share, STAKE);
        expectMoney(e.progress.committee[2], BALANCE, STAKE - penalty);
        expectHistory(neighbor, History(0, 0, 1, 0, 1, 0, 0, 0));
        expectHistory(e.progress.committee[0], History(0, 0, 0, 0, 0, 0, 1, 0));
        expectHistory(e.progress.committee[2], History(0, 0, 0, 0, 0, 0, 0, 1));
    }

    function test_finalize_case4OnATie() public {
        settled(4, 1, 1);
        expectMoney(neighbor, BALANCE + 8e18, STAKE);
    }

    /// @dev One yes, two no: the loser pays a third of 40 %.
    function test_finalize_case5() public {
        Encounter memory e = settled(5, 1, 2);
        uint256 penalty = uint256(4e18) / 3;
        uint256 share = (4e18 + penalty) / 2;
        expectMoney(learner, BALANCE + 4e18 + penalty - 2 * share, STAKE);
        expectMoney(neighbor, BALANCE, STAKE - REWARD);
        expectMoney(e.progress.committee[0], BALANCE, STAKE - penalty);
        expectMoney(e.progress.committee[1], BALANCE + share, STAKE);
        expectMoney(address(0), 6e18, 0);
        expectHistory(neighbor, History(0, 0, 1, 0, 0, 1, 0, 0));
        expectHistory(e.progress.committee[0], History(0, 0, 0, 0, 0, 0, 0, 1));
    }

    function test_finalize_case5OnATie() public {
        TaskParams memory p = params();
        p.tieAccepts = false;
        taskId = idml.createTask(p);
        settled(5, 1, 1);
        expectMoney(neighbor, BALANCE, STAKE - REWARD);
    }

    /* SEATS */

    function test_finalize_whoFallsBelowTheThresholdLosesItsSeat() public {
        unstake(neighbor, STAKE - THRESHOLD);
        Encounter memory e = validating();
        unstake(e.progress.committee[0], STAKE - THRESHOLD);
        uint256 seat = idml.account(e.progress.committee[0]).seat - 1;
        vote(e, e.progress.committee[0], true);
        vote(e, e.progress.committee[1], false);
        bytes memory signature = signVote(e, e.progress.committee[2], false);

        vm.expectEmit(address(idml));
        emit IRecords.Voted(e.id, e.progress.committee[2], false);
        vm.expectEmit(address(idml));
        emit IRecords.SeatLeft(1, neighbor, block.timestamp);
        vm.expectEmit(address(idml));
        emit IRecords.SeatLeft(seat, e.progress.committee[0], block.timestamp);
        vm.expectEmit(address(idml));
        emit IRecords.Settled(e.id, 5, 1, 2);
        idml.voteFor(e.progress, e.progress.committee[2], false, signature);

        assertEq(idml.account(neighbor).seat, 0, "seat");
        assertEq(idml.account(neighbor).seatFrom, block.timestamp + DELAY, "seat from");
    }

    /* HELPERS */

    function openedOpenly() private returns (Encounter memory) {
        Terms memory agreed = terms();
        agreed.task = openTask();
        return opened(agreed);
    }

    /// @dev Cannot be ended when the window closes, and is ended as expected one second later.
    function endsAfter(Encounter memory e, uint256 window, Outcome outcome, uint256 goodFaith) private {
        uint256 due = e.since + window;
        vm.warp(due);
        expect(IRecords.TooEarly.selector, e.id, due);
        idml.finalize(e.progress);

        vm.warp(due + 1);
        vm.expectEmit(address(idml));
        emit IRecords.Ended(e.id, outcome, goodFaith);
        finalize(e);
        expectMoney(learner, BALANCE - goodFaith, STAKE);
        expectMoney(neighbor, BALANCE + goodFaith, STAKE);
    }

    /// @dev The first `yes` of the committee vote yes, the next `no` vote no.
    function settled(uint8 caseNumber, uint8 yes, uint8 no) private returns (Encounter memory e) {
        e = validating();
        for (uint256 i; i < yes + no; ++i) {
            if (i < 2) vote(e, e.progress.committee[i], i < yes);
        }
        if (yes + no == 3) {
            bytes memory signature = signVote(e, e.progress.committee[2], 2 < yes);
            vm.expectEmit(address(idml));
            emit IRecords.Voted(e.id, e.progress.committee[2], 2 < yes);
            vm.expectEmit(address(idml));
            emit IRecords.Settled(e.id, caseNumber, yes, no);
            idml.voteFor(e.progress, e.progress.committee[2], 2 < yes, signature);
        } else {
            vm.warp(block.timestamp + VOTING + 1);
            vm.expectEmit(address(idml));
            emit IRecords.Settled(e.id, caseNumber, yes, no);
            finalize(e);
        }
    }
}
