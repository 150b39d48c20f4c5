// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {Deal, DealTest} from "./utils/DealTest.sol";
import {Account, Encounter, IRecords, Terms, Vote} from "./utils/IDMLTest.sol";

contract ProveDoubleVoteTest is DealTest {
    uint256 private constant LOCK = 2e18; // Half of max(20 %, 40 %) of the reward.

    address private voter;
    Deal private deal;

    function setUp() public override {
        super.setUp();
        deal = makeDeal(7);
        voter = deal.committee[1];
    }

    /* WHAT IT COSTS */

    function test_proveDoubleVote_burnsWhatAVoteLocks() public {
        (Vote memory a, Vote memory b) = pair();
        (bytes memory onA, bytes memory onB) = (signed(a), signed(b));
        vm.expectEmit(address(idml));
        emit IRecords.DoubleVoted(voter, deal.id, LOCK);
        vm.prank(validators[4]);
        idml.proveDoubleVote(deal.terms, a, onA, b, onB);
        expectMoney(voter, BALANCE, STAKE - LOCK);
        expectMoney(address(0), LOCK, 0);
    }

    function test_proveDoubleVote_onTwoResults() public {
        (Vote memory a, Vote memory b) = pair();
        (b.accept, b.result) = (a.accept, OTHER_RESULT);
        prove(a, b);
        assertEq(stakeOf(voter), STAKE - LOCK, "stake");
    }

    /// @dev What other encounters lock stays; the rest comes from what is unbonding.
    function test_proveDoubleVote_takesNoLockedStake() public {
        Terms memory busy = terms();
        (busy.learner, busy.neighbor, busy.reward) = (neighbor, voter, uint96(STAKE / 2));
        opened(busy);
        unstake(voter, STAKE / 2 - 1e18);
        (Vote memory a, Vote memory b) = pair();
        prove(a, b);
        Account memory account = idml.account(voter);
        assertEq(account.stake, STAKE / 2, "stake");
        assertEq(account.locked, STAKE / 2, "locked");
        assertEq(account.unbonding, STAKE / 2 - 1e18 - 1e18, "unbonding");
        assertEq(balanceOf(address(0)), LOCK, "burnt");
    }

    function test_proveDoubleVote_belowTheThresholdTheSeatIsLost() public {
        unstake(voter, STAKE - THRESHOLD);
        (Vote memory a, Vote memory b) = pair();
        prove(a, b);
        assertEq(idml.account(voter).seat, 0, "seat");
    }

    /// @dev The first that is settled counts, and the second costs what the first locked.
    function test_proveDoubleVote_afterAVoteOnChain() public {
        Encounter memory e = validating();
        vote(e, voter, true);
        (Vote memory a, Vote memory b) = pair();
        prove(a, b);
        assertEq(stakeOf(voter), STAKE - LOCK, "stake");
        assertEq(lockedOf(voter), LOCK, "locked");
        vote(e, deal.committee[0], true);
        vote(e, deal.committee[2], true);
        assertEq(lockedOf(voter), 0, "locked in the end");
    }

    /* ONCE */

    function test_proveDoubleVote_onceForEachSeed() public {
        (Vote memory a, Vote memory b) = pair();
        prove(a, b);
        bytes32 offence = keccak256(abi.encode(voter, deal.id, deal.seed));
        (bytes memory onA, bytes memory onB) = (signed(a), signed(b));
        expect(IRecords.AlreadyPunished.selector, offence);
        idml.proveDoubleVote(deal.terms, b, onB, a, onA);
        b.result = OTHER_RESULT;
        onB = signed(b);
        expect(IRecords.AlreadyPunished.selector, offence);
        idml.proveDoubleVote(deal.terms, a, onA, b, onB);
        (a.seed, b.seed) = (RESULT, RESULT);
        prove(a, b);
    }

    /* NO OFFENCE */

    function test_proveDoubleVote_revertsForTheSameVote() public {
        (Vote memory a,) = pair();
        fails(a, a);
    }

    /// @dev A contested encounter is voted on under another seed.
    function test_proveDoubleVote_revertsForTwoSeeds() public {
        (Vote memory a, Vote memory b) = pair();
        b.seed = RESULT;
        fails(a, b);
    }

    function test_proveDoubleVote_revertsForTwoEncounters() public {
        (Vote memory a, Vote memory b) = pair();
        b.encounter = RESULT;
        fails(a, b);
        fails(b, a);
        a.encounter = RESULT;
        fails(a, b);
    }

    function test_proveDoubleVote_revertsForTwoValidators() public {
        (Vote memory a, Vote memory b) = pair();
        b.validator = deal.committee[0];
        fails(a, b);
    }

    function test_proveDoubleVote_revertsOnOtherTerms() public {
        (Vote memory a, Vote memory b) = pair();
        deal.terms.reward += 1;
        fails(a, b);
    }

    function test_proveDoubleVote_revertsUnlessTheValidatorSigned() public {
        (Vote memory a, Vote memory b) = pair();
        (bytes memory good, bytes memory bad) = (signed(a), sign(deal.committee[0], idml.hashVote(b)));
        expect(IRecords.InvalidSignature.selector, voter);
        idml.proveDoubleVote(deal.terms, a, good, b, bad);
        expect(IRecords.InvalidSignature.selector, voter);
        idml.proveDoubleVote(deal.terms, b, bad, a, good);
        expect(IRecords.InvalidSignature.selector, voter);
        idml.proveDoubleVote(deal.terms, a, good, b, good);
    }

    function test_proveDoubleVote_revertsOnAnUnknownTask() public {
        deal.terms.task = RESULT;
        deal.id = idml.hashTerms(deal.terms);
        (Vote memory a, Vote memory b) = pair();
        (bytes memory onA, bytes memory onB) = (signed(a), signed(b));
        expect(IRecords.UnknownTask.selector, RESULT);
        idml.proveDoubleVote(deal.terms, a, onA, b, onB);
    }

    /* HELPERS */

    function pair() private view returns (Vote memory a, Vote memory b) {
        a = Vote(deal.id, voter, deal.seed, deal.result, true);
        b = Vote(deal.id, voter, deal.seed, deal.result, false);
    }

    function signed(Vote memory v) private view returns (bytes memory) {
        return sign(v.validator, idml.hashVote(v));
    }

    function prove(Vote memory a, Vote memory b) private {
        idml.proveDoubleVote(deal.terms, a, signed(a), b, signed(b));
    }

    function fails(Vote memory a, Vote memory b) private {
        (bytes memory onA, bytes memory onB) = (signed(a), signed(b));
        expect(IRecords.NoOffence.selector);
        idml.proveDoubleVote(deal.terms, a, onA, b, onB);
    }
}
