// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";

import {Settlements} from "./Settlements.sol";
import {IBatches} from "./interfaces/IIDML.sol";
import {Parties, Party} from "./libraries/Parties.sol";
import {Purse} from "./libraries/Purses.sol";
import {Rule} from "./libraries/Rules.sol";
import {SeatTable, Seats} from "./libraries/Seats.sol";
import {Settlement} from "./libraries/Settlement.sol";
import {Stages} from "./libraries/Stages.sol";
import {Ballot, Frame, Statements} from "./libraries/Statements.sol";
import {Voucher, Vouchers} from "./libraries/Vouchers.sol";

/// @title Batches
/// @notice Settles encounters from signatures alone, any number in one transaction, no storage slot for any of them.
/// @dev The parties' slots are read once into memory and written once at the end.
abstract contract Batches is Settlements, IBatches {
    using Parties for Party[];
    using Seats for SeatTable;

    /// @dev For one answer of an ERC-1271 wallet: a wallet that burns gas cannot stop the others of its batch.
    uint256 private constant WALLET_GAS = 200_000;
    uint256 private constant MAX_PARTIES = 256;
    /// @dev Half of the order of secp256k1.
    uint256 private constant HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;

    /// @dev What all encounters of a call have in common.
    struct Batch {
        bytes32 task;
        Rule rule;
        Frame frame;
        bool cosigned;
        Party[] parties;
    }

    /* ONE ENCOUNTER */

    /// @inheritdoc IBatches
    function settle(
        bytes32 task,
        address learner,
        address neighbor,
        bytes32[4] calldata encounter,
        bytes32[] calldata signatures
    ) external {
        Batch memory batch;
        batch.task = task;
        batch.rule = _ruleWithCommittee(task);
        batch.frame = Statements.frame(_domainSeparatorV4());
        if (signatures.length != 4 + 2 * batch.rule.votes()) revert BatchMalformed(4, signatures.length);
        Voucher voucher = Vouchers.at(encounter);
        (Party payer, Party helper) = (_party(learner), _party(neighbor));

        (bytes4 fault, Party[] memory voters) = _check(batch, voucher, payer, helper, _start(signatures), _noWallets());
        if (fault != 0) revert NothingSettled(fault);
        _pay(batch.rule, voucher, payer, helper, voters);
        payer.save();
        helper.save();
        for (uint256 i; i < voters.length; ++i) {
            voters.get(i).save();
        }

        emit VoucherSettled(task, learner, neighbor, encounter);
    }

    /* BATCHES */

    /// @inheritdoc IBatches
    function settleBatch(
        bytes32 task,
        address[] calldata parties,
        bytes32[] calldata encounters,
        bytes32[] calldata signatures,
        bytes[] calldata walletSignatures
    ) external {
        Batch memory batch = _begin(task, parties, false);
        uint256 signers = 2 + batch.rule.votes();
        // A remainder is refused there.
        // slither-disable-next-line divide-before-multiply
        _requireWhole(encounters.length, signatures.length, encounters.length / Vouchers.WORDS * signers);
        _settleAll(batch, parties, encounters, signatures, walletSignatures);
    }

    /// @inheritdoc IBatches
    function settleCosigned(
        bytes32 task,
        address[] calldata parties,
        bytes32[] calldata encounters,
        bytes32[] calldata signatures,
        bytes[] calldata walletSignatures
    ) external {
        Batch memory batch = _begin(task, parties, true);
        _requireWhole(encounters.length, signatures.length, parties.length);
        bytes32 digest = batch.frame.seal(Statements.hashBatch(task, parties, encounters));
        uint256 at = _start(signatures);
        for (uint256 i; i < parties.length; ++i) {
            if (!_isSigned(parties[i], digest, at + 64 * i, walletSignatures)) revert InvalidSignature(parties[i]);
        }
        _settleAll(batch, parties, encounters, signatures, walletSignatures);
    }

    /* INTERNAL */

    function _ruleWithCommittee(bytes32 task) private view returns (Rule rule) {
        rule = _ruleOf(task);
        if (rule.committeeSize() == 0) revert NoCommittee(task);
    }

    function _requireWhole(uint256 words, uint256 signatureWords, uint256 signers) private pure {
        // Multiplied again to find a remainder.
        // slither-disable-next-line divide-before-multiply
        uint256 count = words / Vouchers.WORDS;
        bool whole = count * Vouchers.WORDS == words && 2 * signers == signatureWords;
        if (!whole || count == 0 || count > MAX_PARTIES) revert BatchMalformed(words, signatureWords);
    }

    function _begin(bytes32 task, address[] calldata who, bool cosigned) private view returns (Batch memory batch) {
        if (who.length > MAX_PARTIES) revert PartiesUnordered(MAX_PARTIES);
        Party[] memory parties = Parties.list(who.length);
        address previous;
        for (uint256 i; i < who.length; ++i) {
            // Ascending, so nobody stands there twice.
            if (who[i] <= previous) revert PartiesUnordered(i);
            previous = who[i];
            parties[i] = _party(previous);
        }
        Rule rule = _ruleWithCommittee(task);
        return Batch(task, rule, Statements.frame(_domainSeparatorV4()), cosigned, parties);
    }

    function _settleAll(
        Batch memory batch,
        address[] calldata parties,
        bytes32[] calldata encounters,
        bytes32[] calldata signatures,
        bytes[] calldata walletSignatures
    ) private {
        uint256 count = encounters.length / Vouchers.WORDS;
        uint256 signed = 64 * (2 + batch.rule.votes());
        (uint256 settled, bytes4 first) = (0, 0);
        for (uint256 i; i < count; ++i) {
            uint256 free = _freeMemory();
            Voucher voucher = Vouchers.at(encounters, i);
            Party learner = batch.parties[voucher.learner()];
            Party neighbor = batch.parties[voucher.neighbor()];
            (bytes4 fault, Party[] memory voters) =
                _check(batch, voucher, learner, neighbor, _start(signatures) + i * signed, walletSignatures);
            if (fault == 0) {
                _pay(batch.rule, voucher, learner, neighbor, voters);
                settled |= 1 << i;
            } else {
                if (first == 0) first = fault;

                emit Skipped(i, fault);
            }
            _setFreeMemory(free);
        }
        if (settled == 0) revert NothingSettled(first);
        for (uint256 i; i < batch.parties.length; ++i) {
            batch.parties.get(i).save();
        }

        emit BatchSettled(batch.task, batch.cosigned, settled, parties, encounters);
    }

    /// @dev Returns the selector of the error that an encounter fails with, or zero and who voted.
    /// @param at Where the encounter's signatures begin in calldata.
    function _check(
        Batch memory batch,
        Voucher voucher,
        Party learner,
        Party neighbor,
        uint256 at,
        bytes[] calldata walletSignatures
    ) private view returns (bytes4 fault, Party[] memory voters) {
        fault = _checkTerms(batch.rule, voucher, learner, neighbor);
        if (fault != 0) return (fault, voters);
        bytes32 seed = Statements.pair(voucher.learnerSecret(), voucher.neighborSecret());
        (fault, voters) = _checkVoters(batch, voucher, learner.who(), neighbor.who(), seed);
        if (fault != 0) return (fault, voters);
        if (!_mayBePaid(batch.rule, voucher, neighbor)) return (InsufficientStake.selector, voters);
        if (batch.cosigned) return (fault, voters);

        bytes32 encounter = batch.frame.seal(_hashTermsOf(batch.task, voucher, learner.who(), neighbor.who()));
        bool signed = _areReported(batch.frame, encounter, voucher, learner.who(), neighbor.who(), at, walletSignatures)
            && _areVoted(batch.frame, encounter, voucher, seed, voters, at + 128, walletSignatures);
        return (signed ? bytes4(0) : InvalidSignature.selector, voters);
    }

    function _checkTerms(Rule rule, Voucher voucher, Party learner, Party neighbor) private view returns (bytes4) {
        if (learner.who() == neighbor.who()) return SelfDealing.selector;
        // What is no signature recovers to address 0.
        if (neighbor.who() == address(0)) return InvalidSignature.selector;
        (uint256 asOf, uint256 life) = (voucher.asOf(), voucher.life_s());
        unchecked {
            if (block.timestamp > asOf + life + rule.votingWindow_s()) return DeadlinePassed.selector;
        }
        if (asOf > block.timestamp || life > rule.completionWindow_s()) return InvalidAsOf.selector;
        if (!_seats.hadLength(voucher.seats(), asOf)) return InvalidSeats.selector;

        Purse purse = learner.purse().slide();
        unchecked {
            uint256 place = voucher.nonce() - purse.nonceBase(); // Huge if below.
            if (place >= purse.budgetNonces()) return NonceOutOfWindow.selector;
            if (purse.nonceWindow() >> place & 1 != 0) return NonceUsed.selector;
        }
        return voucher.reward() > purse.budgetReward() ? RewardAboveBudget.selector : bytes4(0);
    }

    /// @dev The votes must be those of the first V members of the committee, so nobody picks among them.
    function _checkVoters(Batch memory batch, Voucher voucher, address learner, address neighbor, bytes32 seed)
        private
        view
        returns (bytes4, Party[] memory voters)
    {
        uint256 votes = batch.rule.votes();
        address[] memory committee = _seats.draw(seed, votes, voucher.seats(), voucher.asOf(), learner, neighbor);
        if (committee.length < votes) return (CommitteeShort.selector, voters);
        if (batch.parties.length > 0) {
            bool found;
            (found, voters) = Parties.pick(batch.parties, voucher.voters(), committee);
            return (found ? bytes4(0) : NotInCommittee.selector, voters);
        }
        voters = Parties.list(votes);
        unchecked {
            for (uint256 i; i < votes; ++i) {
                voters.set(i, _party(Seats.get(committee, i)));
            }
        }
        return (0, voters);
    }

    /// @dev Who is paid must have the stake that it needs to act; who loses pays with what it has.
    function _mayBePaid(Rule rule, Voucher voucher, Party neighbor) private view returns (bool) {
        uint256 pledged = neighbor.pledge().stake();
        if (pledged >= _threshold || pledged + neighbor.stored().exit.unbonding >= _threshold) return true;
        // Bits beyond the voters are nobody's.
        uint256 yes = Stages.count(voucher.ballots() & ((1 << rule.votes()) - 1));
        return !Settlement.isAccepted(Settlement.judge(rule, yes, rule.votes() - yes));
    }

    function _areReported(
        Frame frame,
        bytes32 encounter,
        Voucher voucher,
        address learner,
        address neighbor,
        uint256 at,
        bytes[] calldata walletSignatures
    ) private view returns (bool) {
        bytes32 result = voucher.result();
        bytes32 digest = Statements.hashReport(encounter, neighbor, result, voucher.neighborSecret(), 0);
        digest = frame.seal(digest);
        if (!_isSigned(neighbor, digest, at, walletSignatures)) return false;

        digest = Statements.hashReport(encounter, learner, result, voucher.learnerSecret(), digest);
        unchecked {
            return _isSigned(learner, frame.seal(digest), at + 64, walletSignatures);
        }
    }

    function _areVoted(
        Frame frame,
        bytes32 encounter,
        Voucher voucher,
        bytes32 seed,
        Party[] memory voters,
        uint256 at,
        bytes[] calldata walletSignatures
    ) private view returns (bool) {
        Ballot ballot = Statements.ballot(encounter, seed, voucher.result());
        uint256 ballots = voucher.ballots();
        uint256 count = voters.length;
        unchecked {
            for (uint256 i; i < count; ++i) {
                address voter = voters.get(i).who();
                bytes32 digest = frame.seal(ballot.hash(voter, ballots));
                if (_recover(digest, at) != voter && !_isSignedByWallet(voter, digest, at, walletSignatures)) {
                    return false;
                }
                (ballots, at) = (ballots >> 1, at + 64);
            }
        }
        return true;
    }

    function _hashTermsOf(bytes32 task, Voucher voucher, address learner, address neighbor)
        private
        pure
        returns (bytes32)
    {
        unchecked {
            return Statements.hashTerms(
                task,
                learner,
                neighbor,
                voucher.reward(),
                voucher.modelBefore(),
                Statements.commitment(voucher.learnerSecret()),
                Statements.commitment(voucher.neighborSecret()),
                voucher.seats(),
                voucher.asOf(),
                voucher.asOf() + voucher.life_s(),
                voucher.nonce()
            );
        }
    }

    /// @dev The budget covers the reward, so nothing here can fail.
    function _pay(Rule rule, Voucher voucher, Party learner, Party neighbor, Party[] memory voters) private {
        uint256 reward = voucher.reward();
        learner.setPurse(learner.purse().slide().debit(reward).useNonce(voucher.nonce()));
        uint256 ballots = voucher.ballots() & ((1 << voters.length) - 1);
        _settle(rule, reward, false, learner, neighbor, voters, ballots);
    }

    function _noWallets() private pure returns (bytes[] calldata none) {
        assembly ("memory-safe") {
            none.offset := 0
            none.length := 0
        }
    }

    /// @dev Where an array's elements begin in calldata.
    function _start(bytes32[] calldata words) private pure returns (uint256 at) {
        assembly ("memory-safe") {
            at := words.offset
        }
    }

    /// @dev Whether the two words at `at` are `signer`'s signature: EIP-2098, or zero and where a wallet's signature is.
    function _isSigned(address signer, bytes32 digest, uint256 at, bytes[] calldata walletSignatures)
        private
        view
        returns (bool)
    {
        if (_recover(digest, at) == signer) return true;
        return _isSignedByWallet(signer, digest, at, walletSignatures);
    }

    /// @dev EIP-2098; 0 for what is no signature, or one of the two that a key could have given in place of the other.
    function _recover(bytes32 digest, uint256 at) private view returns (address signer) {
        uint256 half = HALF_ORDER;
        assembly ("memory-safe") {
            let vs := calldataload(add(at, 0x20))
            let s := shr(1, shl(1, vs))
            let free := mload(0x40)
            mstore(free, digest)
            mstore(add(free, 0x20), add(shr(255, vs), 27))
            mstore(add(free, 0x40), calldataload(at))
            mstore(add(free, 0x60), s)
            mstore(0, 0)
            if iszero(gt(s, half)) { pop(staticcall(gas(), 1, free, 0x80, 0, 0x20)) }
            signer := mload(0)
        }
    }

    function _isSignedByWallet(address signer, bytes32 digest, uint256 at, bytes[] calldata walletSignatures)
        private
        view
        returns (bool)
    {
        (uint256 r, uint256 place) = (0, 0);
        assembly ("memory-safe") {
            r := calldataload(at)
            place := calldataload(add(at, 0x20))
        }
        if (r != 0 || place >= walletSignatures.length) return false;
        return _asksWallet(signer, abi.encodeCall(IERC1271.isValidSignature, (digest, walletSignatures[place])));
    }

    /// @dev A bounded static call that reads at most one word of the answer.
    function _asksWallet(address wallet, bytes memory question) private view returns (bool valid) {
        bytes32 magic = bytes32(IERC1271.isValidSignature.selector);
        uint256 limit = WALLET_GAS;
        assembly ("memory-safe") {
            let success := staticcall(limit, wallet, add(question, 0x20), mload(question), 0, 0x20)
            valid := and(and(success, gt(returndatasize(), 0x1f)), eq(mload(0), magic))
        }
    }

    function _freeMemory() private pure returns (uint256 free) {
        assembly ("memory-safe") {
            free := mload(0x40)
        }
    }

    /// @dev Gives back what one encounter allocated: nothing of it outlives the encounter, and memory that only grows
    /// would cost the square of the batch.
    function _setFreeMemory(uint256 free) private pure {
        assembly ("memory-safe") {
            mstore(0x40, free)
        }
    }
}
