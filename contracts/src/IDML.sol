// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuard} from "@openzeppelin/contracts/utils/ReentrancyGuard.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {IDMLToken} from "./IDMLToken.sol";
import {
    Account,
    History,
    IIDML,
    Outcome,
    Phase,
    Progress,
    Report,
    Seat,
    TaskParams,
    Terms,
    Vote
} from "./interfaces/IIDML.sol";
import {Participant, Participants, Pledge, Purse} from "./libraries/Participants.sol";
import {SeatTable, Seats} from "./libraries/Seats.sol";
import {Settlement, Split} from "./libraries/Settlement.sol";

/// @title IDML
/// @dev An open encounter is one storage slot: the hash of its `Progress`, which every caller brings along. The slot
/// is cleared at the end; the learner's nonce, which is part of the id, keeps an encounter from being opened twice.
/// @dev Safe casts to 96 bits: a deposit reverts if the contract would hold more than that, and no amount exceeds
/// what it holds.
contract IDML is IIDML, EIP712, ReentrancyGuard {
    using Participants for Participant;
    using SafeCast for uint256;
    using SafeERC20 for IERC20;
    using Seats for SeatTable;
    using Settlement for TaskParams;

    /* CONSTANTS */

    /// @notice The longest an encounter may live, in seconds; checked when its task is made.
    uint256 public constant MAX_LIFE = 6 days;

    uint256 internal constant MAX_UNBONDING_DELAY = 365 days;
    uint256 internal constant MAX_COMMITTEE = 32;

    bytes32 internal constant TERMS_TYPEHASH = keccak256(
        "Terms(bytes32 task,address learner,address neighbor,uint96 reward,bytes32 modelBefore,bytes32 learnerCommitment,bytes32 neighborCommitment,uint32 seats,uint40 asOf,uint40 deadline,uint64 nonce)"
    );
    bytes32 internal constant REPORT_TYPEHASH =
        keccak256("Report(bytes32 encounter,address reporter,bytes32 result,bytes32 secret,bytes32 previous)");
    bytes32 internal constant VOTE_TYPEHASH =
        keccak256("Vote(bytes32 encounter,address validator,bytes32 seed,bytes32 result,bool accept)");

    /// @dev Encoded sizes in bytes: 11 fields; 9 fields and the lengths of two arrays.
    uint256 internal constant TERMS_SIZE = 11 * 32;
    uint256 internal constant PROGRESS_SIZE = 11 * 32;

    /* IMMUTABLES */

    /// @inheritdoc IIDML
    address public immutable token;
    /// @inheritdoc IIDML
    uint256 public immutable stakeThreshold;
    /// @inheritdoc IIDML
    uint256 public immutable unbondingDelay;

    /* STORAGE */

    /// @inheritdoc IIDML
    mapping(bytes32 encounter => bytes32) public stateHash;

    mapping(address => Participant) internal _participants;
    mapping(bytes32 id => TaskParams) internal _tasks;
    SeatTable internal _seats;

    /* CONSTRUCTOR */

    /// @notice The delay must outlast every encounter, so that nobody leaves with what it may still lose.
    error InvalidUnbondingDelay(uint256 delay, uint256 aboveMin, uint256 max);

    /// @param token_ An IDMLToken.
    /// @param threshold The stake that neighbors and validators need, in base units of the token.
    /// @param delay Time between leaving the stake and being free, in seconds.
    constructor(address token_, uint256 threshold, uint256 delay) EIP712("iDML", "1") {
        if (delay <= MAX_LIFE || delay > MAX_UNBONDING_DELAY) {
            revert InvalidUnbondingDelay(delay, MAX_LIFE, MAX_UNBONDING_DELAY);
        }
        token = token_;
        stakeThreshold = threshold;
        unbondingDelay = delay;
    }

    /* ACCOUNTS */

    /// @inheritdoc IIDML
    function deposit(uint256 amount) external nonReentrant {
        _deposit(amount);
    }

    /// @inheritdoc IIDML
    function depositWithPermit(uint256 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s) external nonReentrant {
        // Whoever saw the permit may have used it already; then the allowance decides.
        try IERC20Permit(token).permit(msg.sender, address(this), amount, deadline, v, r, s) {} catch {}
        _deposit(amount);
    }

    /// @inheritdoc IIDML
    function withdraw(uint256 amount) external nonReentrant {
        _debit(msg.sender, amount);

        emit Withdrawn(msg.sender, amount);

        IERC20(token).safeTransfer(msg.sender, amount);
    }

    /// @inheritdoc IIDML
    function stake(uint256 amount) external {
        _debit(msg.sender, amount);
        Participant storage self = _participants[msg.sender];
        self.pledge.stake += uint96(amount);

        emit Staked(msg.sender, amount);

        bool mayTakeSeat = self.standing.seat == 0 && block.timestamp >= self.exit.seatFrom;
        if (mayTakeSeat && self.pledge.stake >= stakeThreshold) _takeSeat(self);
    }

    /// @inheritdoc IIDML
    function requestUnstake(uint256 amount) external {
        if (amount == 0) revert ZeroAmount();
        Participant storage self = _participants[msg.sender];
        Pledge memory pledge = self.pledge;
        uint256 free = pledge.stake - pledge.locked;
        if (free < amount) revert InsufficientStake(msg.sender, free, amount);

        uint256 releaseAt = block.timestamp + unbondingDelay;
        pledge.stake -= uint96(amount);
        self.pledge = pledge;
        self.exit.unbonding += uint96(amount);
        self.exit.releaseAt = releaseAt.toUint40();

        emit UnstakeRequested(msg.sender, amount, releaseAt);

        _leaveSeatIfShort(self, msg.sender, pledge.stake);
    }

    /// @inheritdoc IIDML
    function completeUnstake() external {
        Participant storage self = _participants[msg.sender];
        (uint256 amount, uint256 releaseAt) = (self.exit.unbonding, self.exit.releaseAt);
        if (amount == 0) revert NothingUnbonding(msg.sender);
        if (block.timestamp < releaseAt) revert StillUnbonding(msg.sender, releaseAt);

        self.exit.unbonding = 0;
        self.exit.releaseAt = 0;
        self.credit(amount);

        emit Unstaked(msg.sender, amount);
    }

    /// @inheritdoc IIDML
    function setTarget(uint96 target) external {
        _participants[msg.sender].purse.target = target;

        emit TargetSet(msg.sender, target);
    }

    /// @inheritdoc IIDML
    function takeSeat() external {
        Participant storage self = _participants[msg.sender];
        if (self.standing.seat != 0) revert AlreadySeated(msg.sender);
        if (block.timestamp < self.exit.seatFrom) revert SeatCooling(msg.sender, self.exit.seatFrom);
        _requireStaked(msg.sender);

        _takeSeat(self);
    }

    /// @inheritdoc IIDML
    function flush() external nonReentrant {
        uint256 amount = _participants[address(0)].purse.balance;
        _debit(address(0), amount);

        emit Flushed(amount);

        IDMLToken(token).burn(amount);
    }

    /* TASKS */

    /// @inheritdoc IIDML
    function createTask(TaskParams calldata params) external returns (bytes32 id) {
        _requireShare("neighborShareBps", params.neighborShareBps);
        _requireShare("goodFaithBps", params.goodFaithBps);
        _requireShare("noVoteBps", params.noVoteBps);
        _requireShare("rejectPotBps", params.rejectPotBps);
        _requireShare("toleranceBps", params.toleranceBps);
        _requireTask(0 < params.votes && params.votes <= MAX_COMMITTEE, "votes", params.votes);
        bool enough = params.votes <= params.committeeSize && params.committeeSize <= MAX_COMMITTEE;
        _requireTask(params.committeeSize == 0 || enough, "committeeSize", params.committeeSize);
        _requireTask(0 < params.quorum && params.quorum <= params.votes, "quorum", params.quorum);
        _requireTask(params.completionWindow_s > 0, "completionWindow_s", params.completionWindow_s);
        _requireTask(params.votingWindow_s > 0, "votingWindow_s", params.votingWindow_s);
        // Four: to open, to refuse, and for each report after a refusal that a report voids. Until then the seats drawn
        // as of before the opening must not have changed hands, and they do so one unbonding delay after they were left.
        uint256 life = 4 * uint256(params.completionWindow_s) + params.votingWindow_s + 1 hours;
        _requireTask(life <= MAX_LIFE, "life_s", life);

        id = keccak256(abi.encode(params));
        if (_tasks[id].votes != 0) return id;
        _tasks[id] = params;

        emit TaskCreated(id, params);
    }

    /* ENCOUNTERS */

    /// @inheritdoc IIDML
    function open(Terms calldata terms, bytes calldata learnerSignature, bytes calldata neighborSignature)
        external
        returns (bytes32 encounter)
    {
        encounter = hashTerms(terms);
        _requireOpenable(terms);
        _requireSigned(terms.learner, encounter, learnerSignature);
        _requireSigned(terms.neighbor, encounter, neighborSignature);
        _requireStaked(terms.neighbor);

        Participant storage learner = _participants[terms.learner];
        Purse memory purse = learner.purse;
        if (purse.balance < terms.reward) revert InsufficientBalance(terms.learner, purse.balance, terms.reward);
        learner.useNonce(purse, terms.learner, terms.nonce);
        purse.balance -= terms.reward;
        learner.purse = purse;
        _lock(terms.neighbor, terms.reward);

        Progress memory progress;
        progress.phase = Phase.Open;
        _store(encounter, progress);

        emit Opened(encounter, terms.learner, terms.neighbor, terms);
    }

    /// @inheritdoc IIDML
    function reject(Terms calldata terms, Progress calldata progress) external {
        bytes32 encounter = _requireState(terms, progress);
        if (msg.sender != terms.neighbor) revert NotAParty(msg.sender);
        if (progress.phase != Phase.Open) revert WrongPhase(encounter, progress.phase);
        _requireInTime(encounter, progress.since, _tasks[terms.task].completionWindow_s);

        Progress memory next;
        next.phase = Phase.Refused;
        _store(encounter, next);

        emit Refused(encounter);
    }

    /// @inheritdoc IIDML
    function report(
        Terms calldata terms,
        Progress calldata progress,
        address reporter,
        bytes32 result,
        bytes32 secret,
        bytes calldata signature
    ) external {
        bytes32 encounter = _requireState(terms, progress);
        bool byNeighbor = reporter == terms.neighbor;
        if (!byNeighbor && reporter != terms.learner) revert NotAParty(reporter);
        bool inPhase = byNeighbor
            ? progress.phase == Phase.Open || progress.phase == Phase.Refused
            : progress.phase == Phase.Reported;
        if (!inPhase) revert WrongPhase(encounter, progress.phase);
        _requireInTime(encounter, progress.since, _tasks[terms.task].completionWindow_s);
        bytes32 commitment = byNeighbor ? terms.neighborCommitment : terms.learnerCommitment;
        if (keccak256(abi.encode(secret)) != commitment) revert WrongSecret(reporter);
        // Zero before the neighbor reported, so this is right for both.
        bytes32 digest = _hashReport(Report(encounter, reporter, result, secret, progress.neighborReport));
        _requireSigned(reporter, digest, signature);

        emit Reported(encounter, reporter, result, secret);

        if (byNeighbor) _awaitLearner(encounter, result, digest, secret);
        else if (result != progress.result) _dispute(encounter, progress);
        else _startValidation(encounter, terms, progress, secret);
    }

    /// @inheritdoc IIDML
    function vote(
        Terms calldata terms,
        Progress calldata progress,
        address validator,
        bool accept,
        bytes calldata signature
    ) external {
        bytes32 encounter = _requireState(terms, progress);
        if (progress.phase != Phase.Validating) revert WrongPhase(encounter, progress.phase);
        TaskParams memory params = _tasks[terms.task];
        _requireInTime(encounter, progress.since, params.votingWindow_s);
        Progress memory next = progress;
        _requireMayVote(terms, next, validator, params.committeeSize == 0);
        bytes32 digest = _hashVote(Vote(encounter, validator, progress.seed, progress.result, accept));
        _requireSigned(validator, digest, signature);

        _lock(validator, params.voterLock(terms.reward));
        _addBallot(next, validator, accept);

        emit Voted(encounter, validator, accept);

        // A committee that is short has no more votes to wait for.
        bool short = params.committeeSize > 0 && next.committee.length < params.votes;
        uint256 last = short ? next.committee.length : params.votes;
        if (next.voters.length == last) _settle(encounter, terms, params, next.voters, next.ballots);
        else stateHash[encounter] = keccak256(abi.encode(next));
    }

    /// @inheritdoc IIDML
    function finalize(Terms calldata terms, Progress calldata progress) external {
        bytes32 encounter = _requireState(terms, progress);
        TaskParams memory params = _tasks[terms.task];
        Phase phase = progress.phase;
        uint256 due = progress.since + _patience(phase, params);
        // Nothing is awaited after a dispute among parties that chose open voting.
        bool atOnce = phase == Phase.Disputed && params.committeeSize == 0;
        if (block.timestamp <= due && !atOnce) revert TooEarly(encounter, due);

        if (phase == Phase.Validating) {
            _settle(encounter, terms, params, progress.voters, progress.ballots);
        } else if (phase == Phase.Refused) {
            _return(encounter, terms, Outcome.Rejected, 0);
        } else {
            uint256 goodFaith = phase == Phase.Open ? 0 : Settlement.shareDown(terms.reward, params.goodFaithBps);
            _return(encounter, terms, Outcome.Incomplete, goodFaith);
        }
    }

    /* VIEWS */

    /// @inheritdoc IIDML
    function account(address who) external view returns (Account memory) {
        return _participants[who].account();
    }

    /// @inheritdoc IIDML
    function history(address who) external view returns (History memory) {
        return _participants[who].history();
    }

    /// @inheritdoc IIDML
    function seatCount() external view returns (uint256) {
        return _seats.length;
    }

    /// @inheritdoc IIDML
    function seat(uint256 index) external view returns (Seat memory) {
        return _seats.seats[index];
    }

    /// @inheritdoc IIDML
    function task(bytes32 id) external view returns (TaskParams memory) {
        return _tasks[id];
    }

    /// @inheritdoc IIDML
    function committeeOf(Terms calldata terms, bytes32 seed) external view returns (address[] memory) {
        return _seats.draw(terms, seed, _tasks[terms.task].committeeSize);
    }

    /// @inheritdoc IIDML
    function hashTerms(Terms calldata terms) public view returns (bytes32) {
        return _hashTypedDataV4(_hashTermsStruct(terms));
    }

    /// @inheritdoc IIDML
    function hashReport(Report calldata statement) external view returns (bytes32) {
        return _hashReport(statement);
    }

    /// @inheritdoc IIDML
    function hashVote(Vote calldata statement) external view returns (bytes32) {
        return _hashVote(statement);
    }

    /* INTERNAL: CHECKS */

    /// @dev Returns the encounter's id if `progress` is where it stands.
    function _requireState(Terms calldata terms, Progress calldata progress) internal view returns (bytes32 encounter) {
        encounter = hashTerms(terms);
        if (stateHash[encounter] != _hashProgress(progress)) revert StateMismatch(encounter);
    }

    function _requireInTime(bytes32 encounter, uint256 since, uint256 window) internal view {
        uint256 due = since + window;
        if (block.timestamp > due) revert TooLate(encounter, due);
    }

    /// @dev An empty signature stands for the caller's own consent. ERC-1271 wallets are asked by a static call.
    function _requireSigned(address signer, bytes32 digest, bytes calldata signature) internal view {
        if (signature.length == 0 && signer == msg.sender) return;
        if (!SignatureChecker.isValidSignatureNow(signer, digest, signature)) revert InvalidSignature(signer);
    }

    function _requireStaked(address who) internal view {
        uint256 pledged = _participants[who].pledge.stake;
        if (pledged < stakeThreshold) revert InsufficientStake(who, pledged, stakeThreshold);
    }

    function _requireShare(string memory name, uint256 bps) internal pure {
        _requireTask(bps <= Settlement.BPS, name, bps);
    }

    function _requireTask(bool valid, string memory name, uint256 value) internal pure {
        if (!valid) revert InvalidTask(name, value);
    }

    /// @dev What concerns the Terms alone; nobody can sign for address 0.
    function _requireOpenable(Terms calldata terms) internal view {
        TaskParams storage params = _tasks[terms.task];
        if (params.votes == 0) revert UnknownTask(terms.task);
        if (terms.learner == terms.neighbor) revert SelfDealing(terms.learner);
        if (block.timestamp > terms.deadline) revert DeadlinePassed(terms.deadline);
        bool recent = uint256(terms.deadline) <= uint256(terms.asOf) + params.completionWindow_s;
        if (terms.asOf > block.timestamp || !recent) revert InvalidAsOf(terms.asOf, terms.deadline);
        if (!_seats.hadLength(terms.seats, terms.asOf)) revert InvalidSeats(terms.seats, _seats.length);
    }

    function _requireMayVote(Terms calldata terms, Progress memory progress, address validator, bool openVoting)
        internal
        view
    {
        if (validator == terms.learner || validator == terms.neighbor) revert SelfDealing(validator);
        if (Seats.contains(progress.voters, progress.voters.length, validator)) revert AlreadyVoted(validator);
        if (openVoting) {
            _requireStaked(validator);
        } else if (!Seats.contains(progress.committee, progress.committee.length, validator)) {
            revert NotInCommittee(validator);
        }
    }

    /* INTERNAL: ACCOUNTS */

    function _deposit(uint256 amount) internal {
        if (amount == 0) revert ZeroAmount();
        _participants[msg.sender].credit(amount.toUint96());

        emit Deposited(msg.sender, amount);

        IERC20(token).safeTransferFrom(msg.sender, address(this), amount);
        // All accounts together fit into 96 bits, so no account can ever overflow.
        IERC20(token).balanceOf(address(this)).toUint96();
    }

    /// @dev Takes from the free balance.
    function _debit(address who, uint256 amount) internal {
        if (amount == 0) revert ZeroAmount();
        uint256 balance = _participants[who].purse.balance;
        if (balance < amount) revert InsufficientBalance(who, balance, amount);
        _participants[who].purse.balance = uint96(balance - amount);
    }

    /// @dev Locks free stake.
    function _lock(address who, uint256 amount) internal {
        Pledge memory pledge = _participants[who].pledge;
        uint256 free = pledge.stake - pledge.locked;
        if (free < amount) revert InsufficientStake(who, free, amount);
        pledge.locked += uint96(amount);
        _participants[who].pledge = pledge;
    }

    /// @dev Seats the caller.
    function _takeSeat(Participant storage self) internal {
        uint256 index = _seats.take(msg.sender, unbondingDelay);
        self.standing.seat = (index + 1).toUint32();

        emit SeatTaken(index, msg.sender, block.timestamp);
    }

    /// @dev A stake below the threshold gives up its seat.
    function _leaveSeatIfShort(Participant storage self, address who, uint256 pledged) internal {
        if (pledged >= stakeThreshold || self.standing.seat == 0) return;
        uint256 index = self.standing.seat - 1;
        _seats.vacate(index);
        self.standing.seat = 0;
        self.exit.seatFrom = uint40(block.timestamp + unbondingDelay);

        emit SeatLeft(index, who, block.timestamp);
    }

    /* INTERNAL: PROGRESS OF AN ENCOUNTER */

    /// @dev Writes down that a new phase begins now.
    function _store(bytes32 encounter, Progress memory next) internal {
        next.since = uint40(block.timestamp);
        stateHash[encounter] = keccak256(abi.encode(next));
    }

    function _awaitLearner(bytes32 encounter, bytes32 result, bytes32 digest, bytes32 secret) internal {
        Progress memory next;
        next.phase = Phase.Reported;
        next.result = result;
        next.neighborReport = digest;
        next.neighborSecret = secret;
        _store(encounter, next);
    }

    function _dispute(bytes32 encounter, Progress memory next) internal {
        next.phase = Phase.Disputed;
        _store(encounter, next);

        emit Disputed(encounter);
    }

    /// @dev Neither party chose the seed alone: both secrets were committed to in the Terms.
    function _startValidation(
        bytes32 encounter,
        Terms calldata terms,
        Progress calldata progress,
        bytes32 learnerSecret
    ) internal {
        Progress memory next;
        next.phase = Phase.Validating;
        next.result = progress.result;
        next.seed = keccak256(abi.encode(learnerSecret, progress.neighborSecret));
        next.committee = _seats.draw(terms, next.seed, _tasks[terms.task].committeeSize);
        _store(encounter, next);

        emit ValidationStarted(encounter, next.seed, next.committee);
    }

    function _addBallot(Progress memory progress, address validator, bool accept) internal pure {
        uint256 count = progress.voters.length;
        address[] memory voters = new address[](count + 1);
        for (uint256 i; i < count; ++i) {
            voters[i] = progress.voters[i];
        }
        voters[count] = validator;
        progress.voters = voters;
        if (accept) progress.ballots |= 1 << count;
    }

    function _isYes(uint256 ballots, uint256 index) internal pure returns (bool) {
        return (ballots >> index) & 1 == 1;
    }

    /// @dev How long a phase may last before anyone may end it, in seconds. With a committee, a neighbor that is left
    /// alone with its report has one more window, the room for an appeal to the committee.
    function _patience(Phase phase, TaskParams memory params) internal pure returns (uint256) {
        if (phase == Phase.Validating) return params.votingWindow_s;
        uint256 window = params.completionWindow_s;
        uint256 appeal = params.committeeSize > 0 ? window : 0;
        if (phase == Phase.Reported) return window + appeal;
        return phase == Phase.Disputed ? appeal : window;
    }

    /* INTERNAL: END OF AN ENCOUNTER */

    /// @dev Pays by the votes cast. Nothing here can revert: all that may be taken is locked.
    function _settle(
        bytes32 encounter,
        Terms calldata terms,
        TaskParams memory params,
        address[] memory voters,
        uint256 ballots
    ) internal {
        delete stateHash[encounter];
        uint256 votesFor;
        for (uint256 i; i < voters.length; ++i) {
            if (_isYes(ballots, i)) ++votesFor;
        }
        uint256 votesAgainst = voters.length - votesFor;
        Split memory split = params.settle(terms.reward, votesFor, votesAgainst);

        uint256 lock = params.voterLock(terms.reward);
        for (uint256 i; i < voters.length; ++i) {
            _payVoter(voters[i], lock, split, _isYes(ballots, i));
        }
        _payNeighbor(terms.neighbor, terms.reward, split);
        Participant storage learner = _participants[terms.learner];
        learner.credit(split.learnerRefund);
        ++learner.purse.completedAsLearner;
        _participants[address(0)].credit(split.burnt);

        emit Settled(encounter, split.caseNumber, uint8(votesFor), uint8(votesAgainst));
    }

    /// @dev Below the quorum a voter neither gains nor loses.
    function _payVoter(address voter, uint256 lock, Split memory split, bool accept) internal {
        Participant storage self = _participants[voter];
        Pledge memory pledge = self.pledge;
        pledge.locked -= uint96(lock);
        if (split.caseNumber != 1) {
            if (accept == Settlement.isAccepted(split.caseNumber)) {
                ++pledge.votesWith;
                self.reward(pledge, split.share);
            } else {
                ++pledge.votesAgainst;
                pledge.stake -= uint96(split.penalty);
            }
        }
        self.pledge = pledge;
        _leaveSeatIfShort(self, voter, pledge.stake);
    }

    function _payNeighbor(address neighbor, uint256 locked, Split memory split) internal {
        Participant storage self = _participants[neighbor];
        Pledge memory pledge = self.pledge;
        pledge.locked -= uint96(locked);
        pledge.stake -= uint96(split.neighborLoss);
        self.reward(pledge, split.neighborGain);
        self.pledge = pledge;
        ++self.standing.completedAsNeighbor;
        if (Settlement.isAccepted(split.caseNumber)) ++self.standing.accepted;
        else if (split.caseNumber != 1) ++self.standing.rejected;
        _leaveSeatIfShort(self, neighbor, pledge.stake);
    }

    /// @dev Ends an encounter that was not judged: all that is not paid for good faith returns.
    function _return(bytes32 encounter, Terms calldata terms, Outcome outcome, uint256 goodFaith) internal {
        delete stateHash[encounter];
        Participant storage neighbor = _participants[terms.neighbor];
        Pledge memory pledge = neighbor.pledge;
        pledge.locked -= terms.reward;
        neighbor.reward(pledge, goodFaith);
        neighbor.pledge = pledge;
        Participant storage learner = _participants[terms.learner];
        learner.credit(terms.reward - goodFaith);
        if (outcome == Outcome.Incomplete) {
            ++neighbor.standing.incompleteAsNeighbor;
            ++learner.standing.incompleteAsLearner;
        }

        emit Ended(encounter, outcome, goodFaith);
    }

    /* INTERNAL: HASHES */

    /// @dev keccak256(abi.encode(TERMS_TYPEHASH, terms)) without decoding. Fields are checked when they are read.
    function _hashTermsStruct(Terms calldata terms) internal pure returns (bytes32 digest) {
        bytes32 typehash = TERMS_TYPEHASH;
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, typehash)
            calldatacopy(add(free, 0x20), terms, TERMS_SIZE)
            digest := keccak256(free, add(TERMS_SIZE, 0x20))
        }
    }

    /// @dev keccak256(abi.encode(progress)) without decoding, for calldata laid out as `abi.encode` lays it out. Any
    /// other layout gives another hash, which was never stored.
    function _hashProgress(Progress calldata progress) internal pure returns (bytes32 digest) {
        uint256 size = PROGRESS_SIZE + 32 * (progress.committee.length + progress.voters.length);
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, 0x20) // Where the encoding of a dynamic type begins.
            calldatacopy(add(free, 0x20), progress, size)
            digest := keccak256(free, add(size, 0x20))
        }
    }

    function _hashReport(Report memory statement) internal view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(REPORT_TYPEHASH, statement)));
    }

    function _hashVote(Vote memory statement) internal view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(VOTE_TYPEHASH, statement)));
    }
}
