// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {Encounter, History, IIDML, IDMLTest, Phase, Terms} from "./utils/IDMLTest.sol";

contract VoteTest is IDMLTest {
    uint256 private constant LOCK = 2e18; // Half of max(20 %, 40 %) of the reward.

    function test_vote_locksAndIsRecorded() public {
        Encounter memory e = validating();
        address validator = e.progress.committee[1];
        bytes memory signature = signVote(e, validator, false);

        vm.expectEmit(address(idml));
        emit IIDML.Voted(e.id, validator, false);
        idml.vote(e.terms, e.progress, validator, false, signature);

        addBallot(e.progress, validator, false);
        assertEq(idml.stateHash(e.id), hash(e.progress), "state");
        assertEq(lockedOf(validator), LOCK, "lock");
        assertEq(stakeOf(validator), STAKE, "stake");
    }

    function test_vote_lastVoteSettles() public {
        Encounter memory e = validating();
        vote(e, e.progress.committee[0], true);
        vote(e, e.progress.committee[1], false);
        bytes memory signature = signVote(e, e.progress.committee[2], true);

        vm.expectEmit(address(idml));
        emit IIDML.Voted(e.id, e.progress.committee[2], true);
        vm.expectEmit(address(idml));
        emit IIDML.Settled(e.id, 4, 2, 1);
        idml.vote(e.terms, e.progress, e.progress.committee[2], true, signature);

        assertEq(idml.stateHash(e.id), 0, "state");
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
        emit IIDML.Settled(e.id, 2, 2, 0);
        vote(e, e.progress.committee[0], true);
    }

    function test_vote_nobodyMayVoteWhereNobodyWasDrawn() public {
        for (uint256 i; i < 5; ++i) {
            unstake(validators[i], STAKE);
        }
        vm.warp(block.timestamp + 1);
        Encounter memory e = validating();
        assertEq(e.progress.committee.length, 0, "members");
        address late = newStaked("late");
        bytes memory signature = signVote(e, late, true);
        expect(IIDML.NotInCommittee.selector, late);
        idml.vote(e.terms, e.progress, late, true, signature);

        vm.warp(block.timestamp + idml.task(e.terms.task).votingWindow_s + 1);
        vm.expectEmit(address(idml));
        emit IIDML.Settled(e.id, 1, 0, 0);
        finalize(e);
    }

    function test_vote_emptySignatureOfTheCaller() public {
        Encounter memory e = validating();
        vm.prank(e.progress.committee[0]);
        idml.vote(e.terms, e.progress, e.progress.committee[0], true, NO_SIGNATURE);
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
        expect(IIDML.TooLate.selector, e.id, e.progress.since + VOTING);
        idml.vote(e.terms, e.progress, e.progress.committee[0], true, signature);
    }

    function test_vote_revertsInAnotherPhase() public {
        Encounter memory e = opened();
        expect(IIDML.WrongPhase.selector, e.id, uint256(Phase.Open));
        idml.vote(e.terms, e.progress, validators[0], true, NO_SIGNATURE);
    }

    function test_vote_revertsOnAnotherState() public {
        Encounter memory e = validating();
        e.progress.ballots = 1;
        expect(IIDML.StateMismatch.selector, e.id);
        idml.vote(e.terms, e.progress, e.progress.committee[0], true, NO_SIGNATURE);
    }

    function test_vote_revertsForTheParties() public {
        Terms memory agreed = terms();
        agreed.task = openTask();
        Encounter memory e = validating(agreed);
        address[2] memory parties = [learner, neighbor];
        for (uint256 i; i < 2; ++i) {
            vm.prank(parties[i]);
            expect(IIDML.SelfDealing.selector, parties[i]);
            idml.vote(e.terms, e.progress, parties[i], true, NO_SIGNATURE);
        }
    }

    function test_vote_revertsTheSecondTime() public {
        Encounter memory e = validating();
        vote(e, e.progress.committee[0], true);
        bytes memory signature = signVote(e, e.progress.committee[0], false);
        expect(IIDML.AlreadyVoted.selector, e.progress.committee[0]);
        idml.vote(e.terms, e.progress, e.progress.committee[0], false, signature);
    }

    function test_vote_revertsOutsideTheCommittee() public {
        Encounter memory e = validating();
        for (uint256 i; i < validators.length; ++i) {
            address v = validators[i];
            if (v == e.progress.committee[0] || v == e.progress.committee[1] || v == e.progress.committee[2]) continue;
            bytes memory signature = signVote(e, v, true);
            expect(IIDML.NotInCommittee.selector, v);
            idml.vote(e.terms, e.progress, v, true, signature);
        }
    }

    function test_vote_revertsOnAnotherVotesSignature() public {
        Encounter memory e = validating();
        address validator = e.progress.committee[0];
        bytes memory signature = signVote(e, validator, false);
        expect(IIDML.InvalidSignature.selector, validator);
        idml.vote(e.terms, e.progress, validator, true, signature);
    }

    function test_vote_revertsWithoutSignatureOfAnother() public {
        Encounter memory e = validating();
        expect(IIDML.InvalidSignature.selector, e.progress.committee[0]);
        idml.vote(e.terms, e.progress, e.progress.committee[0], true, NO_SIGNATURE);
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
        expect(IIDML.InsufficientStake.selector, validator, LOCK - 1, LOCK);
        idml.vote(e.terms, e.progress, validator, true, signature);
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
        expect(IIDML.InsufficientStake.selector, validators[3], THRESHOLD - 1, THRESHOLD);
        idml.vote(e.terms, e.progress, validators[3], true, signature);
    }
}
