// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {Deal, DealTest} from "./utils/DealTest.sol";
import {Account, IRecords, Terms} from "./utils/IDMLTest.sol";
import {Wallet} from "./utils/Wallet.sol";

contract ProveEquivocationTest is DealTest {
    uint256 private rewardMax;

    function setUp() public override {
        super.setUp();
        rewardMax = roundUp(REWARD);
        setBudget(learner, REWARD, 4);
    }

    /* WHAT IT COSTS */

    /// @dev From the nonce's own cover: every other voucher stays covered.
    function test_proveEquivocation_ofAnUnusedNonce() public {
        vm.expectEmit(address(idml));
        emit IRecords.Equivocated(learner, 2, rewardMax);
        prove(2);
        Account memory a = idml.account(learner);
        assertEq(a.balance, BALANCE - rewardMax, "balance");
        assertEq(a.nonceWindow, 4, "the nonce is used up");
        assertEq(balanceOf(address(0)), rewardMax, "burnt");
        assertEq(idml.history(learner).completedAsLearner, 0, "completed");
        vm.prank(learner);
        idml.withdraw(BALANCE - 4 * rewardMax); // The cover of the three others stays.
        fails(2, IRecords.NonceUsed.selector);
        settle(dealOf(3));
    }

    function test_proveEquivocation_withAllOfTheBalanceCovered() public {
        vm.prank(learner);
        idml.withdraw(BALANCE - 4 * rewardMax);
        prove(0);
        for (uint256 i = 1; i < 4; ++i) {
            settle(dealOf(i));
        }
        assertEq(idml.account(learner).nonceBase, 0, "waits for cover");
    }

    /// @dev From what is spare.
    function test_proveEquivocation_ofAUsedNonce() public {
        settle(dealOf(0));
        uint256 before = balanceOf(learner);
        vm.expectEmit(address(idml));
        emit IRecords.Equivocated(learner, 0, rewardMax);
        prove(0);
        assertEq(balanceOf(learner), before - rewardMax, "balance");
        assertEq(stakeOf(learner), STAKE, "stake");
        assertEq(idml.history(learner).completedAsLearner, 1, "completed");
    }

    function test_proveEquivocation_takesTheStakeNext() public {
        settle(dealOf(0));
        uint256 spare = rewardMax / 4;
        uint256 balance = balanceOf(learner);
        vm.prank(learner);
        idml.withdraw(balance - 4 * rewardMax - spare);
        prove(0);
        assertEq(balanceOf(learner), 4 * rewardMax, "the cover stays");
        assertEq(stakeOf(learner), STAKE - (rewardMax - spare), "stake");
        assertEq(balanceOf(address(0)), rewardMax, "burnt");
    }

    function test_proveEquivocation_takesWhatIsUnbondingLast() public {
        settle(dealOf(0));
        uint256 balance = balanceOf(learner);
        vm.prank(learner);
        idml.withdraw(balance - 4 * rewardMax);
        unstake(learner, STAKE - 1e18);
        prove(0);
        Account memory a = idml.account(learner);
        assertEq(a.stake, 0, "stake");
        assertEq(a.unbonding, STAKE - rewardMax, "unbonding");
        assertEq(a.seat, 0, "seat");
    }

    function test_proveEquivocation_takesNoMoreThanThereIs() public {
        settle(dealOf(0));
        uint256 balance = balanceOf(learner);
        vm.prank(learner);
        idml.withdraw(balance - 4 * rewardMax);
        unstake(learner, STAKE);
        vm.warp(block.timestamp + DELAY);
        vm.prank(learner);
        idml.completeUnstake();
        vm.prank(learner);
        idml.withdraw(STAKE);
        vm.expectEmit(address(idml));
        emit IRecords.Equivocated(learner, 0, 0);
        prove(0);
        assertEq(balanceOf(learner), 4 * rewardMax, "the cover stays");
    }

    function test_proveEquivocation_byAContractWallet() public {
        Wallet wallet = new Wallet(learner);
        giveBalance(address(wallet), BALANCE);
        setBudget(address(wallet), REWARD, 1);
        (Terms memory a, Terms memory b) = pair(0);
        (a.learner, b.learner) = (address(wallet), address(wallet));
        (bytes memory onA, bytes memory onB) = (sign(learner, idml.hashTerms(a)), sign(learner, idml.hashTerms(b)));
        idml.proveEquivocation(a, onA, b, onB);
        assertEq(balanceOf(address(wallet)), BALANCE - rewardMax, "balance");
    }

    /* ONCE */

    function test_proveEquivocation_onceForEachNonce() public {
        prove(0);
        (Terms memory a, Terms memory b) = pair(0);
        b.modelBefore = OTHER_RESULT;
        (bytes memory onA, bytes memory onB) = (sign(learner, idml.hashTerms(a)), sign(learner, idml.hashTerms(b)));
        bytes32 offence = keccak256(abi.encode(learner, uint64(0)));
        expect(IRecords.AlreadyPunished.selector, offence);
        idml.proveEquivocation(a, onA, b, onB);
        expect(IRecords.AlreadyPunished.selector, offence);
        idml.proveEquivocation(b, onB, a, onA);
        prove(1);
    }

    /// @dev Nobody buys a pardon: an offence that was punished while it cost little gives nothing to sell later.
    function test_proveEquivocation_cannotBePaidInAdvance() public {
        setBudget(neighbor, 0, 0);
        (Terms memory a, Terms memory b) = pair(3);
        (a.learner, b.learner) = (neighbor, neighbor);
        (a.neighbor, b.neighbor) = (learner, learner);
        (bytes memory onA, bytes memory onB) = (sign(neighbor, idml.hashTerms(a)), sign(neighbor, idml.hashTerms(b)));
        idml.proveEquivocation(a, onA, b, onB);
        assertEq(balanceOf(neighbor), BALANCE, "costs nothing without a budget");

        setBudget(neighbor, REWARD, 8);
        Deal memory d = makeDeal(a, 7);
        bytes32[] memory signatures = signAll(d);
        expectNothing(IRecords.NonceUsed.selector);
        settle(d, signatures);
    }

    /// @dev Nor for nonces far ahead, which nobody could accept yet.
    function test_proveEquivocation_ofANonceBeyondTheWindow() public {
        prove(63);
        (Terms memory a, Terms memory b) = pair(64);
        fails(a, sign(learner, idml.hashTerms(a)), b, sign(learner, idml.hashTerms(b)));
    }

    /* NO OFFENCE */

    function test_proveEquivocation_revertsForTheSameTerms() public {
        (Terms memory a,) = pair(0);
        bytes memory signature = sign(learner, idml.hashTerms(a));
        fails(a, signature, a, signature);
    }

    function test_proveEquivocation_revertsForTwoNonces() public {
        (Terms memory a, Terms memory b) = pair(0);
        b.nonce = 1;
        fails(a, sign(learner, idml.hashTerms(a)), b, sign(learner, idml.hashTerms(b)));
    }

    function test_proveEquivocation_revertsForTwoLearners() public {
        (Terms memory a, Terms memory b) = pair(0);
        (b.learner, b.neighbor) = (neighbor, learner);
        fails(a, sign(learner, idml.hashTerms(a)), b, sign(neighbor, idml.hashTerms(b)));
    }

    function test_proveEquivocation_revertsUnlessTheLearnerSigned() public {
        (Terms memory a, Terms memory b) = pair(0);
        bytes memory good = sign(learner, idml.hashTerms(a));
        bytes memory bad = sign(neighbor, idml.hashTerms(b));
        expect(IRecords.InvalidSignature.selector, learner);
        idml.proveEquivocation(a, good, b, bad);
        expect(IRecords.InvalidSignature.selector, learner);
        idml.proveEquivocation(b, bad, a, good);
        expect(IRecords.InvalidSignature.selector, learner);
        idml.proveEquivocation(a, good, b, good);
    }

    /// @dev A Terms that was signed for another chain or contract is none here.
    function test_proveEquivocation_revertsOnASignatureForAnotherChain() public {
        (Terms memory a, Terms memory b) = pair(0);
        bytes memory onA = sign(learner, idml.hashTerms(a));
        uint256 here = block.chainid;
        vm.chainId(here + 1);
        bytes memory onB = sign(learner, idml.hashTerms(b));
        vm.chainId(here);
        expect(IRecords.InvalidSignature.selector, learner);
        idml.proveEquivocation(a, onA, b, onB);
    }

    /* HELPERS */

    function pair(uint256 nonce) private view returns (Terms memory a, Terms memory b) {
        (a, b) = (terms(), terms());
        (a.nonce, b.nonce) = (uint64(nonce), uint64(nonce));
        b.reward = 1;
    }

    function prove(uint256 nonce) private {
        (Terms memory a, Terms memory b) = pair(nonce);
        (bytes memory onA, bytes memory onB) = (sign(learner, idml.hashTerms(a)), sign(learner, idml.hashTerms(b)));
        vm.prank(validators[0]);
        idml.proveEquivocation(a, onA, b, onB);
    }

    function fails(Terms memory a, bytes memory onA, Terms memory b, bytes memory onB) private {
        expect(IRecords.NoOffence.selector);
        idml.proveEquivocation(a, onA, b, onB);
    }

    function dealOf(uint256 nonce) private view returns (Deal memory) {
        Terms memory agreed = terms();
        agreed.nonce = uint64(nonce);
        return makeDeal(agreed, 7);
    }

    function fails(uint256 nonce, bytes4 reason) private {
        Deal memory d = dealOf(nonce);
        bytes32[] memory signatures = signAll(d);
        expectNothing(reason);
        settle(d, signatures);
    }
}
