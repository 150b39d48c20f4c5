// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Base} from "./Base.sol";
import {IDesk, Terms, Vote} from "./interfaces/IIDML.sol";
import {Party} from "./libraries/Parties.sol";
import {Purse, Purses} from "./libraries/Purses.sol";
import {Settlement} from "./libraries/Settlement.sol";

/// @title Offences
/// @notice Punishes who signed two statements that exclude each other. Anyone may bring them; what is taken is burnt.
abstract contract Offences is Base, IDesk {
    /// @inheritdoc IDesk
    function proveEquivocation(
        Terms calldata a,
        bytes calldata signatureOnA,
        Terms calldata b,
        bytes calldata signatureOnB
    ) external {
        (bytes32 idA, bytes32 idB) = (_hashTerms(a), _hashTerms(b));
        if (idA == idB || a.learner != b.learner || a.nonce != b.nonce) revert NoOffence();
        _requireSigned(a.learner, idA, signatureOnA);
        _requireSigned(a.learner, idB, signatureOnB);
        Party party = _party(a.learner);
        Purse purse = party.purse().slide();
        // Nobody could accept a nonce that is out of reach. Were it punished now, it would be for sale later.
        if (a.nonce >= purse.nonceBase() + Purses.NONCE_WINDOW) revert NoOffence();
        _punishOnce(keccak256(abi.encode(a.learner, a.nonce)));

        uint256 amount = purse.budgetReward();
        bool unused = !purse.isUsed(a.nonce);
        bool covered = unused && a.nonce < purse.nonceBase() + purse.budgetNonces();
        uint256 spare = covered ? amount : purse.balance() - purse.cover();
        uint256 taken = spare < amount ? spare : amount;
        purse = purse.debit(taken);
        party.setPurse(unused ? purse.useNonce(a.nonce) : purse);
        if (unused) ++party.stored().record.retired;
        amount = taken + _penalize(party, amount - taken);
        party.save();
        _burn(amount);

        emit Equivocated(a.learner, a.nonce, amount);
    }

    /// @inheritdoc IDesk
    function proveDoubleVote(
        Terms calldata terms,
        Vote calldata a,
        bytes calldata signatureOnA,
        Vote calldata b,
        bytes calldata signatureOnB
    ) external {
        bool same = a.encounter == b.encounter && a.validator == b.validator && a.seed == b.seed;
        bool differ = a.accept != b.accept || a.result != b.result;
        if (!same || !differ || a.encounter != _hashTerms(terms)) revert NoOffence();
        _requireVoted(a, signatureOnA);
        _requireVoted(b, signatureOnB);
        _punishOnce(keccak256(abi.encode(a.validator, a.encounter, a.seed)));

        Party party = _party(a.validator);
        uint256 amount = _penalize(party, Settlement.voterLock(_ruleOf(terms.task), terms.reward));
        party.save();
        _burn(amount);

        emit DoubleVoted(a.validator, a.encounter, amount);
    }

    function _requireVoted(Vote calldata vote, bytes calldata signature) private view {
        bytes32 digest = _hashVote(vote.encounter, vote.validator, vote.seed, vote.result, vote.accept);
        _requireSigned(vote.validator, digest, signature);
    }

    function _punishOnce(bytes32 offence) private {
        if (_punished[offence]) revert AlreadyPunished(offence);
        _punished[offence] = true;
    }
}
