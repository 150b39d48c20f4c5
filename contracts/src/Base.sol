// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {ReentrancyGuard} from "@openzeppelin/contracts/utils/ReentrancyGuard.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

import {IRecords, TaskParams, Terms} from "./interfaces/IIDML.sol";
import {Participant} from "./libraries/Participants.sol";
import {Parties, Party} from "./libraries/Parties.sol";
import {Pledge} from "./libraries/Pledges.sol";
import {Rule, Rules} from "./libraries/Rules.sol";
import {SeatTable, Seats} from "./libraries/Seats.sol";
import {Statements} from "./libraries/Statements.sol";

/// @title Base
/// @notice All storage, and what both halves of IDML share.
/// @dev IDML and its desk run on one storage: whatever is stored stands here, and nowhere else.
abstract contract Base is IRecords, EIP712, ReentrancyGuard {
    using Rules for TaskParams;
    using Seats for SeatTable;
    using Statements for Terms;

    /* IMMUTABLES */

    address internal immutable _token;
    uint256 internal immutable _threshold;
    uint256 internal immutable _delay;

    /* STORAGE */

    mapping(address => Participant) internal _participants;
    mapping(bytes32 id => TaskParams) internal _tasks;
    mapping(uint256 lane => bytes32) internal _lanes;
    mapping(bytes32 offence => bool) internal _punished;
    SeatTable internal _seats;

    /* CONSTRUCTOR */

    constructor(address token_, uint256 threshold, uint256 delay) EIP712("iDML", "1") {
        _token = token_;
        _threshold = threshold;
        _delay = delay;
    }

    /* INTERNAL: STATEMENTS */

    function _hashTerms(Terms calldata terms) internal view returns (bytes32) {
        return _hashTypedDataV4(terms.hash());
    }

    function _hashReport(bytes32 encounter, address reporter, bytes32 result, bytes32 secret, bytes32 previous)
        internal
        view
        returns (bytes32)
    {
        return _hashTypedDataV4(Statements.hashReport(encounter, reporter, result, secret, previous));
    }

    function _hashVote(bytes32 encounter, address validator, bytes32 seed, bytes32 result, bool accept)
        internal
        view
        returns (bytes32)
    {
        return _hashTypedDataV4(Statements.hashVote(encounter, validator, seed, result, accept));
    }

    /// @dev Keys first: to look whether a signer has code costs most signers 2,600 gas. ERC-1271 wallets are asked by a
    /// static call.
    function _requireSigned(address signer, bytes32 digest, bytes calldata signature) internal view {
        // The third value only explains the error.
        // slither-disable-next-line unused-return
        (address recovered, ECDSA.RecoverError error,) = ECDSA.tryRecover(digest, signature);
        if (error == ECDSA.RecoverError.NoError && recovered == signer) return;
        if (!SignatureChecker.isValidERC1271SignatureNow(signer, digest, signature)) revert InvalidSignature(signer);
    }

    /* INTERNAL: ACCOUNTS */

    function _ruleOf(bytes32 id) internal view returns (Rule rule) {
        rule = _tasks[id].load();
        if (!rule.exists()) revert UnknownTask(id);
    }

    function _party(address who) internal view returns (Party) {
        return Parties.at(_participants[who], who);
    }

    function _requireStaked(address who, Pledge pledge) internal view {
        if (pledge.stake() < _threshold) revert InsufficientStake(who, pledge.stake(), _threshold);
    }

    function _burn(uint256 amount) internal {
        Participant storage nobody = _participants[address(0)];
        nobody.purse = nobody.purse.credit(amount);
    }

    /// @dev Takes a penalty; returns what could be taken.
    function _penalize(Party party, uint256 amount) internal returns (uint256 taken) {
        taken = party.lose(amount);
        _leaveSeatIfShort(party);
    }

    /// @dev Ends an account's seat if its stake fell below the threshold. The party is for the caller to save.
    function _leaveSeatIfShort(Party party) internal {
        Participant storage self = party.stored();
        uint256 pledged = party.pledge().stake();
        if (pledged > self.plan.level) pledged = self.plan.level; // Earnings keep no seat.
        if (pledged >= _threshold) return;
        uint256 number = self.record.seat;
        if (number == 0) return;
        _seats.vacate(number - 1);
        self.record.seat = 0;
        party.setPledge(party.pledge().setTenuredSeat(0));
        self.plan.seatFrom = uint40(block.timestamp + _delay);

        emit SeatLeft(number - 1, party.who(), block.timestamp);
    }

    /// @dev What the budget covers must stay in the balance.
    function _requireCovered(Party party, uint256 taken) internal view {
        (uint256 balance, uint256 needed) = (party.purse().balance(), party.purse().cover());
        if (balance < needed) revert InsufficientBalance(party.who(), balance + taken, needed + taken);
    }
}
