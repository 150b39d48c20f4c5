// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";

import {Settlements} from "./Settlements.sol";
import {IBatches} from "./interfaces/IIDML.sol";
import {Form, Forms} from "./libraries/Forms.sol";
import {Parties, Party} from "./libraries/Parties.sol";
import {Purse} from "./libraries/Purses.sol";
import {Rule} from "./libraries/Rules.sol";
import {SeatTable, Seats} from "./libraries/Seats.sol";
import {Settlement} from "./libraries/Settlement.sol";
import {Stages} from "./libraries/Stages.sol";
import {Statements} from "./libraries/Statements.sol";
import {Head, Voucher, Vouchers} from "./libraries/Vouchers.sol";

/// @title Batches
/// @notice Settles encounters from signatures alone, any number in one transaction, no storage slot for any of them.
/// @dev The parties' slots are read once into memory and written once at the end.
abstract contract Batches is Settlements, IBatches {
    using Parties for Party[];
    using Seats for SeatTable;

    /// @dev For one answer of an ERC-1271 wallet: a wallet that burns gas cannot stop the others of its batch.
    uint256 private constant WALLET_GAS = 200_000;
    uint256 private constant MAX_PARTIES = 256;
    uint256 private constant MAX_ENCOUNTERS = 256;

    /// @dev What all encounters of a call have in common.
    struct Batch {
        Rule rule;
        Form form;
        bool cosigned;
        uint256 seatCount;
        uint256 grownAt;
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
        Batch memory batch = _begin(task, false);
        if (signatures.length != 4 + 2 * batch.rule.votes()) revert BatchMalformed(4, signatures.length);
        (Party payer, Party helper) = (_party(learner), _party(neighbor));

        (bytes32 fault, Party[] memory voters) =
            _settleOne(batch, Vouchers.at(encounter), payer, helper, 0, _start(signatures), _noWallets());
        if (fault != 0) revert NothingSettled(bytes4(fault));
        payer.save();
        helper.save();
        voters.save();

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
        Batch memory batch = _begin(task, false);
        batch.parties = _partiesOf(parties);
        uint256 votes = batch.rule.votes();
        uint256 count = _requireWhole(encounters.length, votes, signatures.length);
        if (signatures.length != 2 * count * (2 + votes)) revert BatchMalformed(encounters.length, signatures.length);
        uint256 settled = _settleAll(batch, count, encounters, _start(signatures), walletSignatures);

        _emitSettled(task, false, settled, parties, encounters);
    }

    /// @inheritdoc IBatches
    function settleCosigned(
        bytes32 task,
        address[] calldata parties,
        bytes32[] calldata encounters,
        bytes32[] calldata signatures,
        bytes[] calldata walletSignatures
    ) external {
        Batch memory batch = _begin(task, true);
        batch.parties = _partiesOf(parties);
        uint256 count = _requireWhole(encounters.length, batch.rule.votes(), signatures.length);
        if (signatures.length != 2 * parties.length) revert BatchMalformed(encounters.length, signatures.length);
        bytes32 digest = batch.form.seal(Statements.hashBatch(task, parties, encounters));
        uint256 at = _start(signatures);
        for (uint256 i; i < parties.length; ++i) {
            if (!_isSigned(batch.form, parties[i], digest, at + 64 * i, walletSignatures)) {
                revert InvalidSignature(parties[i]);
            }
        }
        uint256 settled = _settleAll(batch, count, encounters, at, walletSignatures);

        _emitSettled(task, true, settled, parties, encounters);
    }

    /* INTERNAL: BATCHES */

    function _begin(bytes32 task, bool cosigned) private view returns (Batch memory batch) {
        batch.rule = _ruleOf(task);
        if (batch.rule.committeeSize() == 0) revert NoCommittee(task);
        batch.form = Forms.make(_domainSeparatorV4(), task, batch.rule.votes());
        (batch.seatCount, batch.grownAt) = (_seats.length, _seats.grownAt);
        batch.cosigned = cosigned;
    }

    function _partiesOf(address[] calldata who) private view returns (Party[] memory parties) {
        if (who.length > MAX_PARTIES) revert PartiesUnordered(MAX_PARTIES);
        uint256 ordered;
        // Ascending, so nobody stands there twice.
        (parties, ordered) = Parties.ascending(_participants, who);
        if (ordered < who.length) revert PartiesUnordered(ordered);
    }

    /// @dev Returns how many encounters there are.
    /// @param votes Of each.
    function _requireWhole(uint256 words, uint256 votes, uint256 signatures) private pure returns (uint256 count) {
        bool whole;
        (count, whole) = Vouchers.count(words, votes);
        if (!whole || count == 0 || count > MAX_ENCOUNTERS) revert BatchMalformed(words, signatures);
    }

    /// @dev Returns which were settled. Skips what fails, unless all do.
    function _settleAll(
        Batch memory batch,
        uint256 count,
        bytes32[] calldata encounters,
        uint256 at,
        bytes[] calldata walletSignatures
    ) private returns (uint256 settled) {
        uint256 votes = batch.rule.votes();
        bytes32 first;
        for (uint256 i; i < count; ++i) {
            uint256 free = _freeMemory();
            Voucher voucher = Vouchers.at(encounters, i);
            Head head = voucher.head();
            (Party learner, Party neighbor) = (batch.parties[head.learner()], batch.parties[head.neighbor()]);
            uint256 voters = Vouchers.voters(encounters, count, i, votes);
            (bytes32 fault,) = _settleOne(batch, voucher, learner, neighbor, voters, at, walletSignatures);
            unchecked {
                at += 64 * (2 + votes);
            }
            if (fault == 0) {
                settled |= 1 << i;
            } else {
                if (first == 0) first = fault;

                emit Skipped(i, bytes4(fault));
            }
            _setFreeMemory(free);
        }
        if (settled == 0) revert NothingSettled(bytes4(first));
        batch.parties.save();
    }

    /// @dev Emits `BatchSettled`. Solidity would copy the arrays element by element.
    /// @param parties Addresses without anything in the high bits.
    function _emitSettled(
        bytes32 task,
        bool cosigned,
        uint256 settled,
        address[] calldata parties,
        bytes32[] calldata encounters
    ) private {
        bytes32 selector = BatchSettled.selector;
        assembly ("memory-safe") {
            // As `abi.encode(settled, parties, encounters)`.
            let free := mload(0x40)
            let size := shl(5, parties.length)
            mstore(free, settled)
            mstore(add(free, 0x20), 0x60)
            mstore(add(free, 0x40), add(0x80, size))
            mstore(add(free, 0x60), parties.length)
            calldatacopy(add(free, 0x80), parties.offset, size)
            let second := add(add(free, 0x80), size)
            size := shl(5, encounters.length)
            mstore(second, encounters.length)
            calldatacopy(add(second, 0x20), encounters.offset, size)
            log3(free, add(sub(add(second, 0x20), free), size), selector, task, cosigned)
        }
    }

    /* INTERNAL: ONE ENCOUNTER */

    /// @dev Returns the selector of the error that an encounter fails with, or zero and who voted.
    /// @param named In a batch, who voted.
    /// @param at Where the encounter's signatures begin in calldata.
    function _settleOne(
        Batch memory batch,
        Voucher voucher,
        Party learner,
        Party neighbor,
        uint256 named,
        uint256 at,
        bytes[] calldata walletSignatures
    ) private returns (bytes32 fault, Party[] memory voters) {
        Head head = voucher.head();
        Purse purse = learner.purse().slide();
        fault = _checkTerms(batch, head, learner, neighbor, purse);
        if (fault != 0) return (fault, voters);
        bytes32 seed = Statements.pair(voucher.learnerSecret(), voucher.neighborSecret());
        (fault, voters) = _checkVoters(batch, head, learner, neighbor, named, seed);
        if (fault != 0) return (fault, voters);
        if (neighbor.pledge().stake() < _threshold && !_mayBePaid(batch.rule, head, neighbor)) {
            return (InsufficientStake.selector, voters);
        }
        if (!batch.cosigned) {
            Form form = batch.form;
            form.fill(voucher, head, seed, learner, neighbor);
            form.fillVotes(voters, head.ballots());
            if (!_areSigned(form, voters.length, at, walletSignatures)) return (InvalidSignature.selector, voters);
        }
        (uint256 reward, uint256 ballots) = (head.reward(), head.ballots());
        unchecked {
            ballots &= (1 << voters.length) - 1;
        }
        // The budget covers the reward, so nothing here can fail.
        purse = purse.debit(reward).useNonce(head.nonce());
        (,, uint256 refund) = _settle(batch.rule, reward, false, neighbor, voters, ballots);
        learner.setPurse(purse.credit(refund));
    }

    function _checkTerms(Batch memory batch, Head head, Party learner, Party neighbor, Purse purse)
        private
        view
        returns (bytes32)
    {
        if (learner.who() == neighbor.who()) return SelfDealing.selector;
        // What is no signature recovers to address 0.
        if (neighbor.who() == address(0)) return InvalidSignature.selector;
        (Rule rule, uint256 asOf, uint256 life) = (batch.rule, head.asOf(), head.life_s());
        // What is true of the table as it is need not be read again for each encounter.
        bool current = head.seats() == batch.seatCount;
        unchecked {
            if (block.timestamp > asOf + life + rule.votingWindow_s()) return DeadlinePassed.selector;
            if (asOf > block.timestamp || life > rule.completionWindow_s()) return InvalidAsOf.selector;
            if (current ? batch.grownAt > asOf : !_seats.hadLength(head.seats(), asOf)) return InvalidSeats.selector;
            uint256 place = head.nonce() - purse.nonceBase(); // Huge if below.
            if (place >= purse.budgetNonces()) return NonceOutOfWindow.selector;
            if (purse.nonceWindow() >> place & 1 != 0) return NonceUsed.selector;
        }
        return head.reward() > purse.budgetReward() ? RewardAboveBudget.selector : bytes32(0);
    }

    /// @dev The votes must be those of the first V members of the committee, so nobody picks among them.
    function _checkVoters(Batch memory batch, Head head, Party learner, Party neighbor, uint256 named, bytes32 seed)
        private
        view
        returns (bytes32, Party[] memory voters)
    {
        uint256 votes = batch.rule.votes();
        if (batch.parties.length > 0) {
            uint256 count;
            (voters, count) = _seats.drawAmong(seed, votes, head, batch.parties, named, _delay);
            if (count == votes) return (0, voters);
            return (count < votes ? CommitteeShort.selector : NotInCommittee.selector, voters);
        }
        address[] memory committee = _seats.draw(seed, votes, head.seats(), head.asOf(), learner.who(), neighbor.who());
        if (committee.length < votes) return (CommitteeShort.selector, voters);
        return (0, Parties.replace(_participants, committee));
    }

    /// @dev Who is paid must have the stake that it needs to act; who loses pays with what it has.
    function _mayBePaid(Rule rule, Head head, Party neighbor) private view returns (bool) {
        if (neighbor.pledge().stake() + neighbor.stored().exit.unbonding >= _threshold) return true;
        // Bits beyond the voters are nobody's.
        uint256 yes = Stages.count(head.ballots() & ((1 << rule.votes()) - 1));
        return !Settlement.isAccepted(Settlement.judge(rule, yes, rule.votes() - yes));
    }

    /* INTERNAL: SIGNATURES */

    /// @dev Whether both parties and the voters sign what the form says that they are to sign.
    /// @param at Where the signatures begin in calldata.
    function _areSigned(Form form, uint256 votes, uint256 at, bytes[] calldata walletSignatures)
        private
        view
        returns (bool)
    {
        unchecked {
            uint256 count = 2 + votes;
            for (uint256 i; i < count; ++i) {
                i = form.countSigned(i, count, at);
                if (i == count) return true;
                (address signer, bytes32 digest) = form.signed(i);
                if (!_isSignedByWallet(signer, digest, at + 64 * i, walletSignatures)) return false;
            }
        }
        return true;
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
    function _isSigned(Form form, address signer, bytes32 digest, uint256 at, bytes[] calldata walletSignatures)
        private
        view
        returns (bool)
    {
        if (form.recover(digest, at) == signer) return true;
        return _isSignedByWallet(signer, digest, at, walletSignatures);
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
