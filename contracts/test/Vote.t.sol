// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {Encounter, History, IRecords, IDMLTest, Phase, TaskParams, Terms} from "./utils/IDMLTest.sol";

contract VoteTest is IDMLTest {
    uint256 private constant LOCK = 2e18; // Half of max(20 %, 40 %) of the reward.

    function test_vote_locksAndIsRecorded() public {
        Encounter memory e = validating();
        address validator = e.progress.committee[1];
        bytes memory signature = signVote(e, validator, false);

        vm.expectEmit(address(idml));
        emit IRecords.Voted(e.id, validator, false);
        idml.voteFor(e.progress, validator, false, signature);

        addBallot(e, validator, false);
        assertEq(stateOf(e), hash(e.progress), "state");
        assertEq(lockedOf(validator), LOCK, "lock");
        assertEq(stakeOf(validator), STAKE, "stake");
    }

    function test_vote_lastVoteSettles() public {
        Encounter memory e = validating();
        vote(e, e.progress.committee[0], true);
        vote(e, e.progress.committee[1], false);
        bytes memory signature = signVote(e, e.progress.committee[2], true);

        vm.expectEmit(address(idml));
        emit IRecords.Voted(e.id, e.progress.committee[2], true);
        vm.expectEmit(address(idml));
        emit IRecords.Settled(e.id, 4, 2, 1);
        idml.voteFor(e.progress, e.progress.committee[2], true, signature);

        assertEq(stateOf(e), FREE, "state");
    }

    function test_vote_lastOfAShortCommitteeSettles() public {
        for (uint256 i; i < 3; ++i) {
            unstake(validators[i], STAKE);
        }
        vm.warp(block.timestamp + 1);
        Encounter memory e = validating();
        assertEq(e.progress.committee.length, 2, "members");
        vote(e, e.progress.committee[1], true);

        vm.expectEmit(address(idml));
        emit IRecords.Settled(e.id, 2, 2, 0);
        vote(e, e.progress.committee[0], true);
    }

    function test_vote_revertsAfterTheVerdict() public {
        Encounter memory e = validating(fiveMembers());
        for (uint256 i; i < 3; ++i) {
            vote(e, e.progress.committee[i], true);
        }
        bytes memory signature = signVote(e, e.progress.committee[3], true);
        expect(IRecords.StateMismatch.selector, e.id);
        idml.voteFor(e.progress, e.progress.committee[3], true, signature);
        vm.prank(e.progress.committee[3]);
        expect(IRecords.StateMismatch.selector, e.id);
        idml.vote(e.progress, true);
    }

    /// @dev V of K: any three of five settle, whichever order they vote in.
    function testFuzz_vote_anyOfALargerCommittee(uint256 random) public {
        Encounter memory e = validating(fiveMembers());
        assertEq(e.progress.committee.length, 5, "members");
        uint256 start = random % 5;
        uint256 step = 1 + random / 5 % 4;
        for (uint256 i; i < 3; ++i) {
            assertTrue(e.phase == Phase.Validating, "over too early");
            vote(e, e.progress.committee[(start + i * step) % 5], random >> (128 + i) & 1 == 1);
        }
        assertTrue(e.phase == Phase.None, "not over");
    }

    function test_vote_byTheValidatorItself() public {
        Encounter memory e = validating();
        vm.prank(e.progress.committee[0]);
        idml.vote(e.progress, true);
        addBallot(e, e.progress.committee[0], true);
        assertEq(stateOf(e), hash(e.progress), "state");
    }

    function test_vote_atTheLastMoment() public {
        Encounter memory e = validating();
        vm.warp(block.timestamp + VOTING);
        vote(e, e.progress.committee[0], true);
    }

    function test_vote_revertsOneSecondLate() public {
        Encounter memory e = validating();
        bytes memory signature = signVote(e, e.progress.committee[0], true);
        vm.warp(block.timestamp + VOTING + 1);
        expect(IRecords.TooLate.selector, e.id, e.since + VOTING);
        idml.voteFor(e.progress, e.progress.committee[0], true, signature);
    }

    function test_vote_revertsInAnotherPhase() public {
        Encounter memory e = opened();
        vm.prank(validators[0]);
        expect(IRecords.WrongPhase.selector, e.id, uint256(Phase.Open));
        idml.vote(e.progress, true);
    }

    function test_vote_revertsOnAnotherState() public {
        Encounter memory e = validating();
        vm.prank(e.progress.committee[0]);
        e.progress.stage |= 1 << 192;
        expect(IRecords.StateMismatch.selector, e.id);
        idml.vote(e.progress, true);
    }

    function test_vote_revertsForTheParties() public {
        Terms memory agreed = terms();
        agreed.task = openTask();
        Encounter memory e = validating(agreed);
        address[2] memory parties = [learner, neighbor];
        for (uint256 i; i < 2; ++i) {
            vm.prank(parties[i]);
            expect(IRecords.SelfDealing.selector, parties[i]);
            idml.vote(e.progress, true);
        }
    }

    function test_vote_revertsTheSecondTime() public {
        Encounter memory e = validating();
        vote(e, e.progress.committee[0], true);
        bytes memory signature = signVote(e, e.progress.committee[0], false);
        expect(IRecords.AlreadyVoted.selector, e.progress.committee[0]);
        idml.voteFor(e.progress, e.progress.committee[0], false, signature);
    }

    function test_vote_revertsOutsideTheCommittee() public {
        Encounter memory e = validating();
        for (uint256 i; i < validators.length; ++i) {
            address v = validators[i];
            if (v == e.progress.committee[0] || v == e.progress.committee[1] || v == e.progress.committee[2]) continue;
            bytes memory signature = signVote(e, v, true);
            expect(IRecords.NotInCommittee.selector, v);
            idml.voteFor(e.progress, v, true, signature);
        }
    }

    function test_vote_revertsOnAnotherVotesSignature() public {
        Encounter memory e = validating();
        address validator = e.progress.committee[0];
        bytes memory signature = signVote(e, validator, false);
        expect(IRecords.InvalidSignature.selector, validator);
        idml.voteFor(e.progress, validator, true, signature);
    }

    function test_vote_revertsWithoutSignatureOfAnother() public {
        Encounter memory e = validating();
        expect(IRecords.InvalidSignature.selector, e.progress.committee[0]);
        idml.voteFor(e.progress, e.progress.committee[0], true, NO_SIGNATURE);
    }

    /* STAKES */

    function test_vote_aMemberNeedsOnlyItsLock() public {
        Encounter memory e = validating();
        unstake(e.progress.committee[0], STAKE - LOCK);
        vote(e, e.progress.committee[0], true);
        assertEq(lockedOf(e.progress.committee[0]), stakeOf(e.progress.committee[0]), "all is locked");
    }

    function test_vote_revertsWithoutFreeStake() public {
        Encounter memory e = validating();
        address validator = e.progress.committee[0];
        unstake(validator, STAKE - LOCK + 1);
        bytes memory signature = signVote(e, validator, true);
        expect(IRecords.InsufficientStake.selector, validator, LOCK - 1, LOCK);
        idml.voteFor(e.progress, validator, true, signature);
    }

    function test_vote_openVotingTakesAnyoneStaked() public {
        Terms memory agreed = terms();
        agreed.task = openTask();
        Encounter memory e = validating(agreed);
        assertEq(e.progress.committee.length, 0, "committee");
        unstake(validators[3], STAKE - THRESHOLD);
        vote(e, validators[3], true);
        vote(e, validators[4], false);
        vote(e, validators[0], false);
        History memory h = idml.history(validators[0]);
        assertEq(h.votesWith, 1, "with");
    }

    function test_vote_openVotingRevertsBelowTheThreshold() public {
        Terms memory agreed = terms();
        agreed.task = openTask();
        Encounter memory e = validating(agreed);
        unstake(validators[3], STAKE - THRESHOLD + 1);
        bytes memory signature = signVote(e, validators[3], true);
        expect(IRecords.InsufficientStake.selector, validators[3], THRESHOLD - 1, THRESHOLD);
        idml.voteFor(e.progress, validators[3], true, signature);
    }

    function fiveMembers() private returns (Terms memory agreed) {
        TaskParams memory p = params();
        p.committeeSize = 5;
        agreed = terms();
        agreed.task = idml.createTask(p);
    }
}
