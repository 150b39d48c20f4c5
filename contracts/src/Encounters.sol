// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Settlements} from "./Settlements.sol";
import {IEncounters, Outcome, Phase, Progress, Terms} from "./interfaces/IIDML.sol";
import {Draft, Drafts} from "./libraries/Drafts.sol";
import {Participant} from "./libraries/Participants.sol";
import {Parties, Party} from "./libraries/Parties.sol";
import {Pledge} from "./libraries/Pledges.sol";
import {Purse, Purses} from "./libraries/Purses.sol";
import {Rule} from "./libraries/Rules.sol";
import {SeatTable, Seats} from "./libraries/Seats.sol";
import {Settlement} from "./libraries/Settlement.sol";
import {Stage, Stages} from "./libraries/Stages.sol";
import {Statements} from "./libraries/Statements.sol";

/// @title Encounters
/// @notice Encounters that are opened and go on step by step.
/// @dev An open encounter is one storage slot, the hash of its `Progress`, which every caller brings along. Each
/// learner has 64 such slots, its lanes, which it uses again and again. A lane that was used once never goes back to
/// zero, so no later encounter pays for a new slot. 64 more are kept, each for the nonces that it is the rest of: nobody
/// can fill them so that a voucher could not be opened.
abstract contract Encounters is Settlements, IEncounters {
    using Drafts for Progress;
    using Parties for Party[];
    using Seats for SeatTable;

    /// @dev What a lane holds between two encounters.
    bytes32 private constant FREE = bytes32(uint256(1));

    uint256 private constant LANES = 64;
    uint256 private constant CONTEST_DELAY_BLOCKS = 2;
    uint256 private constant BLOCKHASH_REACH = 256;

    /* ENCOUNTERS */

    /// @inheritdoc IEncounters
    function open(Terms calldata terms, uint8 lane, bytes calldata learnerSignature, bytes calldata neighborSignature)
        external
        returns (bytes32 encounter)
    {
        encounter = _hashTerms(terms);
        Rule rule = _ruleOf(terms.task);
        _requireOpenable(terms, rule);

        Party learner = _party(terms.learner);
        // A learner with a budget leaves a signature: two Terms with one nonce would cheat those who hold the other.
        bool bySender = terms.learner == msg.sender && learnerSignature.length == 0;
        if (!bySender || learner.purse().budgetNonces() > 0) {
            _requireSigned(terms.learner, encounter, learnerSignature);
        }
        if (terms.neighbor != msg.sender || neighborSignature.length > 0) {
            _requireSigned(terms.neighbor, encounter, neighborSignature);
        }
        _prepay(learner, terms.nonce, terms.reward);
        learner.save();

        Participant storage neighbor = _participants[terms.neighbor];
        Pledge pledge = neighbor.pledge;
        _requireStaked(terms.neighbor, pledge);
        neighbor.pledge = _lock(terms.neighbor, pledge, terms.reward);

        uint256 key = _key(terms.learner, lane);
        bool exists = lane < LANES || lane == LANES + terms.nonce % LANES;
        if (!exists || uint256(_lanes[key]) > uint256(FREE)) revert LaneBusy(terms.learner, lane);
        _lanes[key] = keccak256(abi.encode(_begin(encounter, terms, rule, lane)));

        emit Opened(encounter, terms.learner, terms.neighbor, lane, terms);
    }

    /// @inheritdoc IEncounters
    function reject(Progress calldata progress) external {
        (Draft draft, Stage stage, Rule rule) = _read(progress, 0);
        if (msg.sender != progress.neighbor) revert NotAParty(msg.sender);
        if (stage.phase() != Phase.Open) revert WrongPhase(progress.encounter, stage.phase());
        _requireInTime(progress.encounter, stage.since() + rule.completionWindow_s());

        draft.setStage(stage.enter(Phase.Refused));
        _write(progress, draft);

        emit Refused(progress.encounter);
    }

    /// @inheritdoc IEncounters
    function report(Progress calldata progress, bytes32 result, bytes32 secret) external {
        _report(progress, msg.sender, result, secret);
    }

    /// @inheritdoc IEncounters
    function reportFor(
        Progress calldata progress,
        address reporter,
        bytes32 result,
        bytes32 secret,
        bytes calldata signature
    ) external {
        bytes32 previous;
        if (reporter != progress.neighbor) {
            previous = _hashReport(progress.encounter, progress.neighbor, progress.result, progress.neighborWord, 0);
        }
        bytes32 digest = _hashReport(progress.encounter, reporter, result, secret, previous);
        _requireSigned(reporter, digest, signature);
        _report(progress, reporter, result, secret);
    }

    /// @inheritdoc IEncounters
    function reportBoth(
        Progress calldata progress,
        bytes32 result,
        bytes32 neighborSecret,
        bytes32 learnerSecret,
        bytes calldata neighborSignature,
        bytes calldata learnerSignature
    ) external {
        (, Stage stage, Rule rule) = _read(progress, 0);
        Phase phase = stage.phase();
        if (phase > Phase.Disputed) revert WrongPhase(progress.encounter, phase);
        _requireInTime(progress.encounter, stage.since() + rule.completionWindow_s());
        bytes32 known = phase < Phase.Reported ? Statements.commitment(neighborSecret) : neighborSecret;
        if (known != progress.neighborWord) revert WrongSecret(progress.neighbor);
        if (Statements.commitment(learnerSecret) != progress.learnerWord) revert WrongSecret(progress.learner);
        _requireBothSigned(progress, result, neighborSecret, learnerSecret, neighborSignature, learnerSignature);

        emit Reported(progress.encounter, progress.neighbor, result, neighborSecret);

        _startValidation(progress, stage, rule, result, learnerSecret, Statements.pair(learnerSecret, neighborSecret));
    }

    /// @inheritdoc IEncounters
    function contest(Progress calldata progress) external {
        (Draft draft, Stage stage, Rule rule) = _read(progress, 0);
        if (msg.sender != progress.neighbor) revert NotAParty(msg.sender);
        if (rule.committeeSize() == 0) revert WrongPhase(progress.encounter, stage.phase());
        uint256 from = stage.since();
        if (stage.phase() == Phase.Reported) {
            from += rule.completionWindow_s();
            if (block.timestamp <= from) revert TooEarly(progress.encounter, from);
        } else if (stage.phase() != Phase.Disputed) {
            revert WrongPhase(progress.encounter, stage.phase());
        }
        _requireInTime(progress.encounter, from + rule.completionWindow_s());

        draft.setStage(stage.contested());
        _write(progress, draft);

        emit Contested(progress.encounter, block.number);
    }

    /// @inheritdoc IEncounters
    function draw(Progress calldata progress) external {
        (, Stage stage, Rule rule) = _read(progress, 0);
        if (stage.phase() != Phase.Contested) revert WrongPhase(progress.encounter, stage.phase());
        uint256 source = stage.contestBlock() + CONTEST_DELAY_BLOCKS;
        bytes32 blockHash = blockhash(source);
        if (blockHash == 0) revert SeedUnknown(progress.encounter, source);

        _startValidation(
            progress, stage, rule, progress.result, blockHash, Statements.pair(progress.neighborWord, blockHash)
        );
    }

    /// @inheritdoc IEncounters
    function vote(Progress calldata progress, bool accept) external {
        _vote(progress, msg.sender, accept);
    }

    /// @inheritdoc IEncounters
    function voteFor(Progress calldata progress, address validator, bool accept, bytes calldata signature) external {
        bytes32 digest = _hashVote(progress.encounter, validator, progress.learnerWord, progress.result, accept);
        _requireSigned(validator, digest, signature);
        _vote(progress, validator, accept);
    }

    /// @inheritdoc IEncounters
    function finalize(Progress calldata progress) external {
        (, Stage stage, Rule rule) = _read(progress, 0);
        Phase phase = stage.phase();
        if (phase == Phase.Contested) {
            uint256 lastBlock = stage.contestBlock() + CONTEST_DELAY_BLOCKS + BLOCKHASH_REACH;
            if (block.number <= lastBlock) revert TooEarly(progress.encounter, lastBlock);
        } else {
            uint256 due = stage.since() + _patience(phase, rule);
            if (block.timestamp <= due) revert TooEarly(progress.encounter, due);
        }

        if (phase == Phase.Validating) {
            _close(progress);
            _conclude(progress, stage, rule, _voters(progress, stage, address(0)));
        } else if (phase == Phase.Refused) {
            _return(progress, Outcome.Rejected, 0);
        } else {
            bool reported = phase == Phase.Reported || phase == Phase.Disputed;
            uint256 bps = reported ? rule.goodFaithBps() : 0;
            _return(progress, Outcome.Incomplete, Settlement.shareDown(progress.reward, bps));
        }
    }

    /* VIEWS */

    /// @inheritdoc IEncounters
    function stateHash(address learner, uint8 lane) external view returns (bytes32) {
        return _lanes[_key(learner, lane)];
    }

    /// @inheritdoc IEncounters
    function committeeOf(Terms calldata terms, bytes32 seed) external view returns (address[] memory) {
        uint256 size = _tasks[terms.task].committeeSize;
        return _seats.draw(seed, size, terms.seats, terms.asOf, terms.learner, terms.neighbor);
    }

    /* INTERNAL: STATE */

    function _key(address learner, uint256 lane) private pure returns (uint256) {
        return uint256(uint160(learner)) << 8 | lane;
    }

    function _begin(bytes32 encounter, Terms calldata terms, Rule rule, uint256 lane)
        private
        view
        returns (Progress memory)
    {
        return Progress({
            encounter: encounter,
            learner: terms.learner,
            neighbor: terms.neighbor,
            reward: terms.reward,
            rules: Rule.unwrap(rule),
            stage: Stage.unwrap(Stages.opened(lane, terms.seats, terms.asOf)),
            learnerWord: terms.learnerCommitment,
            neighborWord: terms.neighborCommitment,
            result: 0,
            committee: new address[](0)
        });
    }

    /// @dev Reverts unless `progress` is where an open encounter stands.
    function _read(Progress calldata progress, uint256 room)
        private
        view
        returns (Draft draft, Stage stage, Rule rule)
    {
        draft = progress.from(room);
        stage = Stage.wrap(progress.stage);
        rule = Rule.wrap(progress.rules);
        if (_lanes[_key(progress.learner, stage.lane())] != draft.hash()) revert StateMismatch(progress.encounter);
    }

    function _write(Progress calldata progress, Draft draft) private {
        _lanes[_key(progress.learner, Stage.wrap(progress.stage).lane())] = draft.hash();
    }

    function _close(Progress calldata progress) private {
        _lanes[_key(progress.learner, Stage.wrap(progress.stage).lane())] = FREE;
    }

    function _requireInTime(bytes32 encounter, uint256 due) private view {
        if (block.timestamp > due) revert TooLate(encounter, due);
    }

    /// @dev How long a phase may last before anyone may end it, in seconds. With a committee, a neighbor that is left
    /// alone with its report has one more window, to contest.
    function _patience(Phase phase, Rule rule) private pure returns (uint256) {
        if (phase == Phase.Validating) return rule.votingWindow_s();
        uint256 window = rule.completionWindow_s();
        return phase == Phase.Reported && rule.committeeSize() > 0 ? 2 * window : window;
    }

    /* INTERNAL: STEPS */

    /// @dev What concerns the Terms alone; nobody can sign for address 0.
    function _requireOpenable(Terms calldata terms, Rule rule) private view {
        if (terms.learner == terms.neighbor) revert SelfDealing(terms.learner);
        if (block.timestamp > terms.deadline) revert DeadlinePassed(terms.deadline);
        bool recent = uint256(terms.deadline) <= uint256(terms.asOf) + rule.completionWindow_s();
        if (terms.asOf > block.timestamp || !recent) revert InvalidAsOf(terms.asOf, terms.deadline);
        if (!_seats.hadLength(terms.seats, terms.asOf)) revert InvalidSeats(terms.seats, _seats.length);
    }

    /// @dev Uses the learner's nonce and takes the reward from its balance, of which the budget keeps its part.
    function _prepay(Party learner, uint256 nonce, uint256 reward) private view {
        // What is pledged is of no matter here.
        // slither-disable-next-line unused-return
        if (learner.purse().balance() < reward + learner.purse().cover()) learner.claim(0);
        Purse purse = learner.purse().slide();
        if (purse.balance() < reward) revert InsufficientBalance(learner.who(), purse.balance(), reward);
        uint256 base = purse.nonceBase();
        if (nonce < base || nonce >= base + Purses.NONCE_WINDOW) revert NonceOutOfWindow(learner.who(), nonce, base);
        if (purse.isUsed(nonce)) revert NonceUsed(learner.who(), nonce);
        learner.setPurse(purse.debit(reward).useNonce(nonce).begin());
        _requireCovered(learner, reward);
    }

    /// @dev Locks free stake.
    function _lock(address who, Pledge pledge, uint256 amount) private pure returns (Pledge) {
        if (pledge.free() < amount) revert InsufficientStake(who, pledge.free(), amount);
        return pledge.lock(amount);
    }

    /// @dev The learner's Report names the neighbor's. A learner that calls has said so.
    function _requireBothSigned(
        Progress calldata progress,
        bytes32 result,
        bytes32 neighborSecret,
        bytes32 learnerSecret,
        bytes calldata neighborSignature,
        bytes calldata learnerSignature
    ) private view {
        (bytes32 encounter, address learner) = (progress.encounter, progress.learner);
        bytes32 digest = _hashReport(encounter, progress.neighbor, result, neighborSecret, 0);
        _requireSigned(progress.neighbor, digest, neighborSignature);
        if (msg.sender == learner && learnerSignature.length == 0) return;
        _requireSigned(learner, _hashReport(encounter, learner, result, learnerSecret, digest), learnerSignature);
    }

    function _report(Progress calldata progress, address reporter, bytes32 result, bytes32 secret) private {
        (Draft draft, Stage stage, Rule rule) = _read(progress, 0);
        Phase phase = stage.phase();
        bool byNeighbor = reporter == progress.neighbor;
        if (!byNeighbor && reporter != progress.learner) revert NotAParty(reporter);
        bool inPhase = byNeighbor ? phase == Phase.Open || phase == Phase.Refused : phase == Phase.Reported;
        if (!inPhase) revert WrongPhase(progress.encounter, phase);
        _requireInTime(progress.encounter, stage.since() + rule.completionWindow_s());
        bytes32 commitment = byNeighbor ? progress.neighborWord : progress.learnerWord;
        if (Statements.commitment(secret) != commitment) revert WrongSecret(reporter);

        if (byNeighbor || result != progress.result) emit Reported(progress.encounter, reporter, result, secret);

        if (byNeighbor) {
            draft.setStage(stage.enter(Phase.Reported));
            draft.setNeighborWord(secret);
            draft.setResult(result);
            _write(progress, draft);
        } else if (result != progress.result) {
            draft.setStage(stage.enter(Phase.Disputed));
            _write(progress, draft);

            emit Disputed(progress.encounter);
        } else {
            // Neither party chose the seed alone: both secrets were committed to in the Terms.
            _startValidation(progress, stage, rule, result, secret, Statements.pair(secret, progress.neighborWord));
        }
    }

    /// @dev Too few members to decide anything judge nobody: all returns.
    function _startValidation(
        Progress calldata progress,
        Stage stage,
        Rule rule,
        bytes32 result,
        bytes32 secret,
        bytes32 seed
    ) private {
        uint256 size = rule.committeeSize();
        address[] memory committee =
            _seats.draw(seed, size, stage.seats(), stage.asOf(), progress.learner, progress.neighbor);

        emit ValidationStarted(progress.encounter, secret, committee);

        if (size > 0 && committee.length < rule.quorum()) return _return(progress, Outcome.Incomplete, 0);
        Draft draft = progress.from(committee.length);
        draft.setStage(stage.validating());
        draft.setLearnerWord(seed);
        draft.setNeighborWord(0);
        draft.setResult(result);
        draft.append(committee);
        _write(progress, draft);
    }

    function _vote(Progress calldata progress, address validator, bool accept) private {
        (Draft draft, Stage stage, Rule rule) = _read(progress, 1);
        if (stage.phase() != Phase.Validating) revert WrongPhase(progress.encounter, stage.phase());
        _requireInTime(progress.encounter, stage.since() + rule.votingWindow_s());
        uint256 members = progress.committee.length;
        uint256 index = _indexOf(progress.committee, validator);
        if (stage.hasVoted(index)) revert AlreadyVoted(validator);
        uint256 last = rule.votes();
        Participant storage self = _participants[validator];
        Pledge pledge = self.pledge;
        if (rule.committeeSize() == 0) {
            if (validator == progress.learner || validator == progress.neighbor) revert SelfDealing(validator);
            _requireStaked(validator, pledge);
            draft.append(validator);
        } else {
            if (index == members) revert NotInCommittee(validator);
            if (members < last) last = members; // A committee that is short has no more votes to wait for.
        }
        self.pledge = _lock(validator, pledge, Settlement.voterLock(rule, progress.reward));
        stage = stage.voted(index, accept);

        emit Voted(progress.encounter, validator, accept);

        if (stage.voteCount() < last) {
            draft.setStage(stage);
            _write(progress, draft);
        } else {
            _close(progress);
            _conclude(progress, stage, rule, _voters(progress, stage, validator));
        }
    }

    /// @dev Where a validator stands in the committee; the committee's length if it does not.
    function _indexOf(address[] calldata committee, address validator) private pure returns (uint256 index) {
        for (; index < committee.length; ++index) {
            if (committee[index] == validator) break;
        }
    }

    /* INTERNAL: END */

    /// @dev All who voted, in the order of the committee.
    /// @param joined In open voting who votes last and is not in `progress` yet, else anyone.
    function _voters(Progress calldata progress, Stage stage, address joined)
        private
        view
        returns (Party[] memory voters)
    {
        voters = Parties.list(stage.voteCount());
        address[] calldata committee = progress.committee;
        uint256 count;
        unchecked {
            uint256 bits = stage.voters();
            for (uint256 i; bits != 0; ++i) {
                if (bits & 1 != 0) voters[count++] = _party(i < committee.length ? committee[i] : joined);
                bits >>= 1;
            }
        }
    }

    /// @dev Pays, and writes down what was paid.
    function _conclude(Progress calldata progress, Stage stage, Rule rule, Party[] memory voters) private {
        if (stage.contestBlock() > 0 && voters.length < rule.quorum()) {
            uint256 lock = Settlement.voterLock(rule, progress.reward);
            for (uint256 i; i < voters.length; ++i) {
                Participant storage self = voters.get(i).stored();
                self.pledge = self.pledge.unlock(lock);
            }
            return _return(progress, Outcome.Incomplete, 0);
        }
        Party learner = _party(progress.learner);
        Party neighbor = _party(progress.neighbor);
        (uint256 caseNumber, uint256 votesFor, uint256 refund) =
            _settle(rule, progress.reward, true, neighbor, voters, stage.ballots());
        learner.setPurse(learner.purse().end().credit(refund));
        learner.save();
        neighbor.save();
        voters.save();

        emit Settled(progress.encounter, uint8(caseNumber), uint8(votesFor), uint8(voters.length - votesFor));
    }

    /// @dev Ends an encounter that was not judged: all that is not paid for good faith returns.
    function _return(Progress calldata progress, Outcome outcome, uint256 goodFaith) private {
        _close(progress);
        Participant storage neighbor = _participants[progress.neighbor];
        neighbor.pledge = neighbor.pledge.unlock(progress.reward).add(goodFaith);
        Participant storage learner = _participants[progress.learner];
        learner.purse = learner.purse.credit(progress.reward - goodFaith).end();
        if (outcome == Outcome.Incomplete) {
            ++neighbor.record.incompleteAsNeighbor;
            ++learner.record.incompleteAsLearner;
        } else {
            ++learner.record.rejectedAsLearner;
        }

        emit Ended(progress.encounter, outcome, goodFaith);
    }
}
