// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {
    Encounter,
    History,
    IDMLTest,
    IRecords,
    Outcome,
    Phase,
    Progress,
    TaskParams,
    packRules
} from "./utils/IDMLTest.sol";

contract DrawTest is IDMLTest {
    function test_draw_byAnyone() public {
        Encounter memory e = contested();
        nextBlocks(3);
        bytes32 blockHash = blockhash(e.contestBlock + 2);
        address[] memory committee = idml.committeeOf(e.terms, keccak256(abi.encode(NEIGHBOR_SECRET, blockHash)));
        assertEq(committee.length, 3, "committee");
        vm.expectEmit(address(idml));
        emit IRecords.ValidationStarted(e.id, blockHash, committee);
        vm.prank(validators[4]);
        draw(e);
    }

    /* WHEN */

    function test_draw_revertsUntilTheBlockIsKnown() public {
        Encounter memory e = contested();
        for (uint256 i; i < 3; ++i) {
            failsUnknown(e);
            nextBlocks(1);
        }
        draw(e);
    }

    function test_draw_inTheLastBlock() public {
        Encounter memory e = contested();
        nextBlocks(2 + 256);
        expect(IRecords.TooEarly.selector, e.id, uint256(e.contestBlock) + 2 + 256);
        idml.finalize(e.progress);
        draw(e);
    }

    function test_draw_revertsOneBlockLate() public {
        Encounter memory e = contested();
        nextBlocks(2 + 256 + 1);
        failsUnknown(e);
        vm.expectEmit(address(idml));
        emit IRecords.Ended(e.id, Outcome.Incomplete, 0);
        finalize(e);
        expectReturned();
    }

    function test_draw_finalizeHasToWaitForIt() public {
        Encounter memory e = contested();
        vm.warp(block.timestamp + 30 days);
        expect(IRecords.TooEarly.selector, e.id, uint256(e.contestBlock) + 2 + 256);
        idml.finalize(e.progress);
    }

    function test_draw_revertsInAnotherPhase() public {
        Encounter memory e = opened();
        reportAsNeighbor(e, RESULT);
        expect(IRecords.WrongPhase.selector, e.id, uint256(Phase.Reported));
        idml.draw(e.progress);
    }

    function test_draw_revertsTheSecondTime() public {
        Encounter memory e = contested();
        Progress memory before = abi.decode(abi.encode(e.progress), (Progress));
        nextBlocks(3);
        draw(e);
        nextBlocks(1);
        expect(IRecords.StateMismatch.selector, e.id);
        idml.draw(before);
        expect(IRecords.WrongPhase.selector, e.id, uint256(Phase.Validating));
        idml.draw(e.progress);
    }

    /* HOW IT ENDS */

    /// @dev As any other encounter: the learner pays although it named another result.
    function test_draw_judgedAccepted() public {
        Encounter memory e = drawn();
        for (uint256 i; i < 3; ++i) {
            vote(e, e.progress.committee[i], true);
        }
        expectMoney(learner, BALANCE - REWARD + uint256(2e18) % 3, STAKE);
        expectMoney(neighbor, BALANCE + 8e18, STAKE);
        expectHistory(learner, History(1, 0, 0, 0, 0, 0, 0, 0));
        expectHistory(neighbor, History(0, 0, 1, 0, 1, 0, 0, 0));
    }

    function test_draw_judgedRejected() public {
        Encounter memory e = drawn();
        for (uint256 i; i < 3; ++i) {
            vote(e, e.progress.committee[i], false);
        }
        expectMoney(learner, BALANCE + uint256(4e18) % 3, STAKE);
        expectMoney(neighbor, BALANCE, STAKE - REWARD);
        expectHistory(neighbor, History(0, 0, 1, 0, 0, 1, 0, 0));
    }

    /// @dev Two of three decide when the window is over.
    function test_draw_judgedByTheQuorum() public {
        Encounter memory e = drawn();
        vote(e, e.progress.committee[0], true);
        vote(e, e.progress.committee[2], true);
        vm.warp(e.since + VOTING + 1);
        vm.expectEmit(address(idml));
        emit IRecords.Settled(e.id, 2, 2, 0);
        finalize(e);
    }

    function test_draw_belowTheQuorumEverythingReturns() public {
        Encounter memory e = drawn();
        vote(e, e.progress.committee[1], true);
        vm.warp(e.since + VOTING);
        expect(IRecords.TooEarly.selector, e.id, e.since + VOTING);
        idml.finalize(e.progress);
        vm.warp(e.since + VOTING + 1);
        vm.expectEmit(address(idml));
        emit IRecords.Ended(e.id, Outcome.Incomplete, 0);
        finalize(e);
        expectReturned();
        expectMoney(e.progress.committee[1], BALANCE, STAKE);
        expectHistory(e.progress.committee[1], History(0, 0, 0, 0, 0, 0, 0, 0));
    }

    function test_draw_withoutVotesEverythingReturns() public {
        Encounter memory e = drawn();
        vm.warp(e.since + VOTING + 1);
        finalize(e);
        expectReturned();
    }

    function test_draw_ofTooFewEndsAtOnce() public {
        for (uint256 i; i < 4; ++i) {
            unstake(validators[i], STAKE);
        }
        vm.warp(block.timestamp + 1);
        Encounter memory e = contested();
        nextBlocks(3);
        vm.expectEmit(address(idml));
        emit IRecords.Ended(e.id, Outcome.Incomplete, 0);
        draw(e);
        assertTrue(e.phase == Phase.None, "over");
        expectReturned();
    }

    /* WHAT IT IS FOR */

    /// @dev A learner that falls silent once both secrets tell it who will judge: with the rules of `safe` it pays what
    /// it would have paid, whoever is drawn, as long as they judge alike; and so does one that names another result.
    function test_draw_silenceGainsNothing() public {
        TaskParams memory p = params();
        (p.goodFaithBps, p.noVoteBps) = (0, 8000);
        taskId = idml.createTask(p);
        Encounter memory e = opened();
        reportAsNeighbor(e, RESULT);
        uint256 start = vm.snapshotState();
        reportAsLearner(e, RESULT);
        uint256 honest = judged(e);

        vm.revertToState(start);
        e = again();
        vm.warp(e.since + COMPLETION + 1);
        contest(e);
        nextBlocks(3);
        draw(e);
        assertEq(judged(e), honest, "what a silent learner keeps");

        vm.revertToState(start);
        e = again();
        reportAsLearner(e, OTHER_RESULT);
        contest(e);
        nextBlocks(3);
        draw(e);
        assertEq(judged(e), honest, "what a denying learner keeps");
    }

    /// @dev Before the draw is over nobody can foresee it: the seed is the hash of a block yet to come.
    function testFuzz_draw_dependsOnTheBlock(uint64 blockNumber) public {
        vm.roll(bound(blockNumber, 1, type(uint40).max - 300));
        Encounter memory e = contested();
        nextBlocks(3);
        bytes32 seed = keccak256(abi.encode(NEIGHBOR_SECRET, blockhash(block.number - 1)));
        draw(e);
        assertEq(e.progress.learnerWord, seed, "seed");
    }

    /* HELPERS */

    function contested() private returns (Encounter memory e) {
        e = opened();
        reportAsNeighbor(e, RESULT);
        vm.warp(e.since + COMPLETION + 1);
        contest(e);
    }

    function drawn() private returns (Encounter memory e) {
        e = contested();
        nextBlocks(3);
        draw(e);
    }

    /// @dev The encounter as it stood after the neighbor's report.
    function again() private view returns (Encounter memory e) {
        e.terms = terms();
        e.terms.nonce = 0;
        e.id = idml.hashTerms(e.terms);
        e.progress.encounter = e.id;
        (e.progress.learner, e.progress.neighbor, e.progress.reward) = (learner, neighbor, REWARD);
        e.progress.rules = packRules(idml.task(taskId));
        e.progress.learnerWord = e.terms.learnerCommitment;
        afterNeighbor(e, RESULT);
    }

    function judged(Encounter memory e) private returns (uint256) {
        for (uint256 i; i < 3; ++i) {
            vote(e, e.progress.committee[i], true);
        }
        return tokensOf(learner);
    }

    function expectReturned() private view {
        expectMoney(learner, BALANCE, STAKE);
        expectMoney(neighbor, BALANCE, STAKE);
        expectMoney(address(0), 0, 0);
        expectHistory(learner, History(0, 1, 0, 0, 0, 0, 0, 0));
        expectHistory(neighbor, History(0, 0, 0, 1, 0, 0, 0, 0));
    }

    function failsUnknown(Encounter memory e) private {
        expect(IRecords.SeedUnknown.selector, e.id, uint256(e.contestBlock) + 2);
        idml.draw(e.progress);
    }
}
