// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {Deal, DealTest} from "./utils/DealTest.sol";
import {History, IIDML, IRecords, Terms} from "./utils/IDMLTest.sol";

contract SettleCosignedTest is DealTest {
    function setUp() public override {
        super.setUp();
        setBudget(learner, REWARD, 8);
    }

    function test_settleCosigned() public {
        (Deal[] memory deals, address[] memory parties, bytes32[] memory words) = two();
        bytes32[] memory signatures = cosign(taskId, parties, words);
        vm.expectEmit(address(idml));
        emit IRecords.BatchSettled(taskId, true, 3, parties, words);
        idml.settleCosigned(taskId, parties, words, signatures, noWallets);
        expectHistory(learner, History(2, 0, 0, 0, 0, 0, 0, 0));
        expectHistory(neighbor, History(0, 0, 2, 0, 1, 1, 0, 0));
        assertEq(deals.length, 2, "deals");
    }

    /// @dev Losers sign too.
    function test_settleCosigned_needsEverySignature() public {
        (, address[] memory parties, bytes32[] memory words) = two();
        for (uint256 i; i < parties.length; ++i) {
            bytes32[] memory signatures = cosign(taskId, parties, words);
            uint256 other = (i + 1) % parties.length;
            (signatures[2 * i], signatures[2 * i + 1]) = (signatures[2 * other], signatures[2 * other + 1]);
            failsFor(parties[i], parties, words, signatures);
            (signatures[2 * i], signatures[2 * i + 1]) = (0, 0);
            failsFor(parties[i], parties, words, signatures);
        }
    }

    /// @dev Whichever bit of the batch is turned.
    function testFuzz_settleCosigned_everyBitIsSigned(uint256 bit) public {
        (, address[] memory parties, bytes32[] memory words) = two();
        bytes32[] memory signatures = cosign(taskId, parties, words);
        bit = bound(bit, 0, words.length * 256 - 1);
        words[bit / 256] ^= bytes32(1 << (bit % 256));
        failsFor(parties[0], parties, words, signatures);
    }

    function testFuzz_settleCosigned_everySignatureBitCounts(uint256 bit) public {
        (, address[] memory parties, bytes32[] memory words) = two();
        bytes32[] memory signatures = cosign(taskId, parties, words);
        bit = bound(bit, 0, signatures.length * 256 - 1);
        signatures[bit / 256] ^= bytes32(1 << (bit % 256));
        failsFor(parties[bit / 512], parties, words, signatures);
    }

    function test_settleCosigned_revertsOnSignaturesForAnotherTask() public {
        (, address[] memory parties, bytes32[] memory words) = two();
        failsFor(parties[0], parties, words, cosign(openTask(), parties, words));
    }

    function test_settleCosigned_revertsOnSignaturesForAnotherChain() public {
        (, address[] memory parties, bytes32[] memory words) = two();
        uint256 here = block.chainid;
        vm.chainId(here + 1);
        bytes32[] memory signatures = cosign(taskId, parties, words);
        vm.chainId(here);
        failsFor(parties[0], parties, words, signatures);
    }

    function test_settleCosigned_revertsOnSignaturesForAnotherContract() public {
        (, address[] memory parties, bytes32[] memory words) = two();
        IIDML here = idml;
        idml = IIDML(vm.deployCode("IDML.sol:IDML", abi.encode(token, THRESHOLD, DELAY)));
        bytes32[] memory signatures = cosign(taskId, parties, words);
        idml = here;
        failsFor(parties[0], parties, words, signatures);
    }

    function test_settleCosigned_revertsTheSecondTime() public {
        (, address[] memory parties, bytes32[] memory words) = two();
        bytes32[] memory signatures = cosign(taskId, parties, words);
        idml.settleCosigned(taskId, parties, words, signatures, noWallets);
        expectNothing(IRecords.NonceOutOfWindow.selector);
        idml.settleCosigned(taskId, parties, words, signatures, noWallets);
    }

    /// @dev What was opened is settled by its votes, and only once.
    function test_settleCosigned_skipsWhatWasOpened() public {
        (Deal[] memory deals, address[] memory parties, bytes32[] memory words) = two();
        bytes32[] memory signatures = cosign(taskId, parties, words);
        opened(deals[0].terms);
        vm.expectEmit(address(idml));
        emit IRecords.Skipped(0, IRecords.NonceOutOfWindow.selector);
        vm.expectEmit(address(idml));
        emit IRecords.BatchSettled(taskId, true, 2, parties, words);
        idml.settleCosigned(taskId, parties, words, signatures, noWallets);
        assertEq(lockedOf(neighbor), REWARD, "still open");
    }

    function test_settleCosigned_diesWithItsVouchers() public {
        (Deal[] memory deals, address[] memory parties, bytes32[] memory words) = two();
        bytes32[] memory signatures = cosign(taskId, parties, words);
        vm.warp(deals[0].terms.deadline + VOTING + 1);
        expectNothing(IRecords.DeadlinePassed.selector);
        idml.settleCosigned(taskId, parties, words, signatures, noWallets);
        vm.warp(deals[0].terms.deadline + VOTING);
        idml.settleCosigned(taskId, parties, words, signatures, noWallets);
    }

    /// @dev Even all together cannot name other judges than those that were drawn.
    function test_settleCosigned_theCommitteeIsDrawn() public {
        Deal[] memory deals = list(dealOf(0, 7));
        (deals[0].committee[0], deals[0].committee[1]) = (deals[0].committee[1], deals[0].committee[0]);
        address[] memory parties = partiesOf(deals);
        bytes32[] memory words = pack(deals, parties);
        bytes32[] memory signatures = cosign(taskId, parties, words);
        expectNothing(IRecords.NotInCommittee.selector);
        idml.settleCosigned(taskId, parties, words, signatures, noWallets);
    }

    function test_settleCosigned_revertsWhenMalformed() public {
        malformed(0, 0, 0);
        malformed(0, 5, 2);
        malformed(2, 5, 2);
        malformed(2, 5, 3);
        malformed(2, 5, 6);
        malformed(2, 4, 4);
    }

    function dealOf(uint256 nonce, uint256 ballots) private view returns (Deal memory) {
        Terms memory agreed = terms();
        agreed.nonce = uint64(nonce);
        return makeDeal(agreed, ballots);
    }

    function two() private view returns (Deal[] memory deals, address[] memory parties, bytes32[] memory words) {
        deals = list(dealOf(0, 7), dealOf(1, 1));
        parties = partiesOf(deals);
        words = pack(deals, parties);
    }

    function failsFor(address who, address[] memory parties, bytes32[] memory words, bytes32[] memory signatures)
        private
    {
        expect(IRecords.InvalidSignature.selector, who);
        idml.settleCosigned(taskId, parties, words, signatures, noWallets);
    }

    function malformed(uint256 count, uint256 words, uint256 signatures) private {
        address[] memory parties = new address[](count);
        for (uint256 i; i < count; ++i) {
            parties[i] = address(uint160(i + 1));
        }
        vm.expectRevert(abi.encodeWithSelector(IRecords.BatchMalformed.selector, words, signatures));
        idml.settleCosigned(taskId, parties, new bytes32[](words), new bytes32[](signatures), noWallets);
    }
}
