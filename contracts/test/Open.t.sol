// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {Account, Encounter, IDMLTest, IRecords, Phase, Terms} from "./utils/IDMLTest.sol";
import {Wallet} from "./utils/Wallet.sol";

contract OpenTest is IDMLTest {
    function test_open() public {
        Terms memory agreed = terms();
        Encounter memory e = agreedOn(agreed);
        bytes32 id = e.id;
        (bytes memory ofLearner, bytes memory ofNeighbor) = (sign(learner, id), sign(neighbor, id));
        assertEq(stateOf(e), 0, "never used");

        vm.expectEmit(address(idml));
        emit IRecords.Opened(id, learner, neighbor, 0, agreed);
        assertEq(idml.open(agreed, 0, ofLearner, ofNeighbor), id, "id");

        begin(e, Phase.Open);
        assertEq(balanceOf(learner), BALANCE - REWARD, "balance");
        assertEq(lockedOf(neighbor), REWARD, "locked");
        assertEq(stakeOf(neighbor), STAKE, "stake");
        assertEq(idml.account(learner).nonceBase, 1, "nonce base");
        assertEq(idml.account(learner).nonceWindow, 0, "nonce window");
    }

    /* SIGNATURES */

    function test_open_byTheLearner() public {
        Terms memory agreed = terms();
        bytes memory signature = sign(neighbor, idml.hashTerms(agreed));
        vm.prank(learner);
        idml.open(agreed, 0, NO_SIGNATURE, signature);
    }

    function test_open_byTheNeighbor() public {
        Terms memory agreed = terms();
        bytes memory signature = sign(learner, idml.hashTerms(agreed));
        vm.prank(neighbor);
        idml.open(agreed, 0, signature, NO_SIGNATURE);
    }

    function test_open_revertsWithoutTheLearnersSignature() public {
        Terms memory agreed = terms();
        bytes memory signature = sign(neighbor, idml.hashTerms(agreed));
        expect(IRecords.InvalidSignature.selector, learner);
        idml.open(agreed, 0, NO_SIGNATURE, signature);
    }

    function test_open_revertsWithoutTheNeighborsSignature() public {
        Terms memory agreed = terms();
        vm.prank(learner);
        expect(IRecords.InvalidSignature.selector, neighbor);
        idml.open(agreed, 0, NO_SIGNATURE, NO_SIGNATURE);
    }

    function test_open_revertsOnASignatureOfOtherTerms() public {
        Terms memory agreed = terms();
        bytes memory signature = sign(neighbor, idml.hashTerms(agreed));
        agreed.reward += 1;
        vm.prank(learner);
        expect(IRecords.InvalidSignature.selector, neighbor);
        idml.open(agreed, 0, NO_SIGNATURE, signature);
    }

    /// @dev A signature that is given is checked, whoever calls.
    function test_open_revertsOnTheCallersWrongSignature() public {
        Terms memory agreed = terms();
        bytes memory signature = sign(neighbor, idml.hashTerms(agreed));
        vm.prank(learner);
        expect(IRecords.InvalidSignature.selector, learner);
        idml.open(agreed, 0, signature, signature);
    }

    /// @dev The other signature that belongs to every signature.
    function test_open_revertsOnAMalleableSignature() public {
        Terms memory agreed = terms();
        bytes32 id = idml.hashTerms(agreed);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(keys[neighbor], id);
        s = bytes32(0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141 - uint256(s));
        bytes memory other = abi.encodePacked(r, s, v == 27 ? 28 : 27);
        vm.prank(learner);
        expect(IRecords.InvalidSignature.selector, neighbor);
        idml.open(agreed, 0, NO_SIGNATURE, other);
    }

    function test_open_revertsOnSignaturesForAnotherChain() public {
        Terms memory agreed = terms();
        bytes memory signature = sign(neighbor, idml.hashTerms(agreed));
        vm.chainId(block.chainid + 1);
        vm.prank(learner);
        expect(IRecords.InvalidSignature.selector, neighbor);
        idml.open(agreed, 0, NO_SIGNATURE, signature);
    }

    function test_open_contractWallet() public {
        Wallet wallet = new Wallet(learner);
        giveBalance(address(wallet), REWARD);
        Terms memory agreed = terms();
        agreed.learner = address(wallet);
        bytes32 id = idml.hashTerms(agreed);
        (bytes memory good, bytes memory bad) = (sign(learner, id), sign(neighbor, id));
        expect(IRecords.InvalidSignature.selector, address(wallet));
        idml.open(agreed, 0, bad, bad);
        idml.open(agreed, 0, good, bad);
        assertEq(balanceOf(address(wallet)), 0, "balance");
    }

    function test_open_revertsForAddressZero() public {
        Terms memory agreed = terms();
        agreed.learner = address(0);
        expect(IRecords.InvalidSignature.selector, address(0));
        idml.open(agreed, 0, NO_SIGNATURE, NO_SIGNATURE);
        bytes memory invalid = new bytes(65); // From this, ecrecover gives 0.
        expect(IRecords.InvalidSignature.selector, address(0));
        idml.open(agreed, 0, invalid, invalid);
    }

    /* TERMS */

    function test_open_revertsOnAnUnknownTask() public {
        Terms memory agreed = terms();
        agreed.task = RESULT;
        fails(agreed, abi.encodeWithSelector(IRecords.UnknownTask.selector, RESULT));
    }

    function test_open_revertsWithOneself() public {
        Terms memory agreed = terms();
        agreed.neighbor = learner;
        fails(agreed, abi.encodeWithSelector(IRecords.SelfDealing.selector, learner));
    }

    function test_open_atTheLastMoment() public {
        Terms memory agreed = terms();
        vm.warp(agreed.deadline);
        opened(agreed);
    }

    function test_open_revertsOneSecondLate() public {
        Terms memory agreed = terms();
        vm.warp(agreed.deadline + 1);
        fails(agreed, abi.encodeWithSelector(IRecords.DeadlinePassed.selector, agreed.deadline));
    }

    function test_open_revertsOnAnAsOfInTheFuture() public {
        Terms memory agreed = terms();
        agreed.asOf += 1;
        fails(agreed, abi.encodeWithSelector(IRecords.InvalidAsOf.selector, agreed.asOf, agreed.deadline));
    }

    function test_open_revertsOnAnAsOfTooFarBeforeTheDeadline() public {
        Terms memory agreed = terms();
        agreed.asOf -= 1;
        fails(agreed, abi.encodeWithSelector(IRecords.InvalidAsOf.selector, agreed.asOf, agreed.deadline));
        agreed.deadline -= 1;
        opened(agreed);
    }

    function test_open_revertsOnSeatsThatNeverWere() public {
        Terms memory agreed = terms();
        agreed.seats = 8;
        fails(agreed, abi.encodeWithSelector(IRecords.InvalidSeats.selector, 8, 7));
        agreed.seats = 6;
        fails(agreed, abi.encodeWithSelector(IRecords.InvalidSeats.selector, 6, 7));
    }

    function test_open_seatsThatWereAtAsOf() public {
        Terms memory agreed = terms();
        newStaked("in the same second");
        (bytes memory a, bytes memory b) =
            (sign(learner, idml.hashTerms(agreed)), sign(neighbor, idml.hashTerms(agreed)));
        vm.warp(block.timestamp + 1);
        newStaked("later");
        idml.open(agreed, 0, a, b);

        agreed = terms();
        (agreed.asOf, agreed.seats) = (agreed.asOf - 1, 8);
        agreed.deadline -= 1;
        opened(agreed);

        agreed = terms();
        agreed.seats = 7;
        fails(agreed, abi.encodeWithSelector(IRecords.InvalidSeats.selector, 7, 9));
    }

    /// @dev More than there were would only thin out the draw.
    function test_open_revertsOnSeatsThatCameAfterAsOf() public {
        Terms memory agreed = terms();
        vm.warp(block.timestamp + 1);
        newStaked("later");
        agreed.seats = 8;
        fails(agreed, abi.encodeWithSelector(IRecords.InvalidSeats.selector, 8, 8));
        agreed.seats = 7;
        opened(agreed);
    }

    /* MONEY */

    function test_open_revertsBelowTheThreshold() public {
        unstake(neighbor, STAKE - THRESHOLD + 1);
        fails(terms(), abi.encodeWithSelector(IRecords.InsufficientStake.selector, neighbor, THRESHOLD - 1, THRESHOLD));
    }

    function test_open_withAStakeAtTheThreshold() public {
        unstake(neighbor, STAKE - THRESHOLD);
        opened();
    }

    function test_open_revertsWithoutFreeStake() public {
        Terms memory agreed = terms();
        agreed.reward = uint96(STAKE);
        opened(agreed);
        agreed = terms();
        agreed.reward = 1;
        fails(agreed, abi.encodeWithSelector(IRecords.InsufficientStake.selector, neighbor, 0, 1));
    }

    function test_open_revertsWithoutBalance() public {
        vm.prank(learner);
        idml.withdraw(BALANCE - REWARD + 1);
        fails(terms(), abi.encodeWithSelector(IRecords.InsufficientBalance.selector, learner, REWARD - 1, REWARD));
    }

    /* LANES */

    function test_open_inEveryLane() public {
        Terms memory agreed = terms();
        agreed.reward = 0;
        for (uint256 i; i < 64; ++i) {
            agreed.nonce = uint64(i);
            assertEq(opened(agreed).lane, i, "lane");
        }
        agreed.nonce = 64;
        fails(agreed, 63, abi.encodeWithSelector(IRecords.LaneBusy.selector, learner, 63));
    }

    function test_open_revertsInABusyLane() public {
        opened();
        fails(terms(), 0, abi.encodeWithSelector(IRecords.LaneBusy.selector, learner, 0));
        assertEq(opened(terms()).lane, 1, "another lane");
    }

    /// @dev Whatever else a learner opens: the lane that is kept for a nonce in reach is free.
    function test_open_whereAllOtherLanesAreBusy() public {
        Terms memory agreed = terms();
        agreed.reward = 0;
        for (uint256 i; i < 64; ++i) {
            agreed.nonce = i == 63 ? 64 : uint64(i);
            openIn(agreed, uint8(i));
        }
        for (uint64 nonce = 65; nonce < 63 + 64; ++nonce) {
            agreed.nonce = nonce;
            openIn(agreed, uint8(64 + nonce % 64));
        }
        agreed.nonce = 63;
        openIn(agreed, 64 + 63);
        assertEq(idml.account(learner).nonceBase, 63 + 64, "127 are open");
    }

    function test_open_revertsInALaneThatIsNotThere() public {
        fails(terms(), 65, abi.encodeWithSelector(IRecords.LaneBusy.selector, learner, 65));
        fails(terms(), 127, abi.encodeWithSelector(IRecords.LaneBusy.selector, learner, 127));
        fails(terms(), 255, abi.encodeWithSelector(IRecords.LaneBusy.selector, learner, 255));
        Terms memory other = terms();
        other.nonce += 1;
        fails(other, 64, abi.encodeWithSelector(IRecords.LaneBusy.selector, learner, 64));
    }

    function test_open_inALaneThatIsFreeAgain() public {
        Encounter memory e = opened();
        vm.warp(block.timestamp + COMPLETION + 1);
        finalize(e);
        assertEq(opened(terms()).lane, 0, "lane");
    }

    function test_open_lanesBelongToTheirLearner() public {
        opened();
        Terms memory agreed = terms();
        (agreed.learner, agreed.neighbor, agreed.nonce) = (neighbor, learner, 0);
        assertEq(opened(agreed).lane, 0, "lane");
    }

    /* BUDGET */

    /// @dev Whoever sells budgeted nonces must leave a signature on each, or it could not be caught selling one twice.
    function test_open_withABudgetNeedsTheLearnersSignature() public {
        setBudget(learner, REWARD, 1);
        Terms memory agreed = terms();
        bytes32 id = idml.hashTerms(agreed);
        (bytes memory a, bytes memory b) = (sign(learner, id), sign(neighbor, id));
        vm.prank(learner);
        expect(IRecords.InvalidSignature.selector, learner);
        idml.open(agreed, 0, NO_SIGNATURE, b);
        vm.prank(learner);
        idml.open(agreed, 0, a, b);
    }

    /* NONCES */

    function test_open_revertsTheSecondTime() public {
        Terms memory agreed = terms();
        opened(agreed);
        fails(agreed, abi.encodeWithSelector(IRecords.NonceOutOfWindow.selector, learner, 0, 1));
    }

    function test_open_noncesInAnyOrder() public {
        Terms memory agreed = terms();
        agreed.nonce = 2;
        opened(agreed);
        expectNonces(0, 4);
        fails(agreed, abi.encodeWithSelector(IRecords.NonceUsed.selector, learner, 2));
        agreed.nonce = 0;
        opened(agreed);
        expectNonces(1, 2);
        agreed.nonce = 1;
        opened(agreed);
        expectNonces(3, 0);
    }

    function test_open_noncesAtTheEdgesOfTheWindow() public {
        Terms memory agreed = terms();
        agreed.nonce = 64;
        fails(agreed, abi.encodeWithSelector(IRecords.NonceOutOfWindow.selector, learner, 64, 0));
        agreed.nonce = 63;
        opened(agreed);
        expectNonces(0, 1 << 63);
        agreed.nonce = type(uint64).max;
        fails(agreed, abi.encodeWithSelector(IRecords.NonceOutOfWindow.selector, learner, type(uint64).max, 0));
    }

    /// @dev Whatever order a learner uses its nonces in: each works once.
    function testFuzz_open_nonces(uint256 random) public {
        Terms memory agreed = terms();
        agreed.reward = 0;
        bool[64] memory used;
        for (uint256 i; i < 16; ++i) {
            agreed.nonce = uint64((random >> (4 * i)) & 15);
            uint64 base = idml.account(learner).nonceBase;
            if (!used[agreed.nonce]) {
                opened(agreed);
            } else if (agreed.nonce < base) {
                fails(agreed, abi.encodeWithSelector(IRecords.NonceOutOfWindow.selector, learner, agreed.nonce, base));
            } else {
                fails(agreed, abi.encodeWithSelector(IRecords.NonceUsed.selector, learner, agreed.nonce));
            }
            used[agreed.nonce] = true;
        }
    }

    function expectNonces(uint256 base, uint256 window) private view {
        Account memory a = idml.account(learner);
        assertEq(a.nonceBase, base, "nonce base");
        assertEq(a.nonceWindow, window, "nonce window");
    }

    function fails(Terms memory agreed, bytes memory reason) private {
        fails(agreed, 63, reason);
    }

    function fails(Terms memory agreed, uint8 lane, bytes memory reason) private {
        bytes32 id = idml.hashTerms(agreed);
        (bytes memory a, bytes memory b) = (sign(agreed.learner, id), sign(agreed.neighbor, id));
        vm.expectRevert(reason);
        idml.open(agreed, lane, a, b);
    }

    function openIn(Terms memory agreed, uint8 lane) private {
        bytes32 id = idml.hashTerms(agreed);
        bytes memory consent = sign(agreed.neighbor, id);
        vm.prank(agreed.learner);
        idml.open(agreed, lane, NO_SIGNATURE, consent);
    }
}
