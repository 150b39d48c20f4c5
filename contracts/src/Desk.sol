// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Accounts} from "./Accounts.sol";
import {Base} from "./Base.sol";
import {Offences} from "./Offences.sol";
import {Account, History, IDesk, Release, Report, Seat, TaskParams, Terms, Vote} from "./interfaces/IIDML.sol";
import {Settlement} from "./libraries/Settlement.sol";

/// @title Desk
/// @notice The half of IDML that is not part of an encounter. IDML runs its code on its own storage.
/// @dev Apart because one contract may have 24,576 bytes of code (EIP-170). Called directly it is an empty contract of
/// the same rules, of no use and no harm.
contract Desk is Accounts, Offences {
    /// @notice The longest an encounter may live, in seconds; checked when its task is made.
    uint256 public constant MAX_LIFE = 6 days;

    uint256 private constant MAX_UNBONDING_DELAY = 365 days;
    uint256 private constant MAX_COMMITTEE = 16;

    /// @notice The delay must outlast every encounter, so that nobody leaves with what it may still lose.
    error InvalidUnbondingDelay(uint256 delay, uint256 aboveMin, uint256 max);

    /// @param token_ An IDMLToken.
    /// @param threshold The stake that neighbors and validators need, in base units of the token.
    /// @param delay Time between leaving the stake and being free, in seconds.
    constructor(address token_, uint256 threshold, uint256 delay) Base(token_, threshold, delay) {
        if (delay <= MAX_LIFE || delay > MAX_UNBONDING_DELAY) {
            revert InvalidUnbondingDelay(delay, MAX_LIFE, MAX_UNBONDING_DELAY);
        }
    }

    /* TASKS */

    /// @inheritdoc IDesk
    function createTask(TaskParams calldata params) external returns (bytes32 id) {
        _requireTask(params.neighborShareBps <= Settlement.BPS, "neighborShareBps", params.neighborShareBps);
        _requireTask(params.goodFaithBps <= Settlement.BPS, "goodFaithBps", params.goodFaithBps);
        _requireTask(params.noVoteBps <= Settlement.BPS, "noVoteBps", params.noVoteBps);
        _requireTask(params.rejectPotBps <= Settlement.BPS, "rejectPotBps", params.rejectPotBps);
        _requireTask(params.toleranceBps <= Settlement.BPS, "toleranceBps", params.toleranceBps);
        _requireTask(0 < params.votes && params.votes <= MAX_COMMITTEE, "votes", params.votes);
        bool enough = params.votes <= params.committeeSize && params.committeeSize <= MAX_COMMITTEE;
        _requireTask(params.committeeSize == 0 || enough, "committeeSize", params.committeeSize);
        _requireTask(0 < params.quorum && params.quorum <= params.votes, "quorum", params.quorum);
        _requireTask(params.completionWindow_s > 0, "completionWindow_s", params.completionWindow_s);
        _requireTask(params.votingWindow_s > 0, "votingWindow_s", params.votingWindow_s);
        // Five: to open, to refuse, for each report after a refusal that a report voids, and to contest; the hour is
        // for the blocks in which a contested committee is drawn. Until then the seats drawn as of before the opening
        // must not have changed hands, and they do so one unbonding delay after they were left.
        uint256 life = 5 * uint256(params.completionWindow_s) + params.votingWindow_s + 1 hours;
        _requireTask(life <= MAX_LIFE, "life_s", life);

        id = keccak256(abi.encode(params));
        if (_tasks[id].votes != 0) return id;
        _tasks[id] = params;

        emit TaskCreated(id, params);
    }

    /* VIEWS */

    /// @inheritdoc IDesk
    function token() external view returns (address) {
        return _token;
    }

    /// @inheritdoc IDesk
    function stakeThreshold() external view returns (uint256) {
        return _threshold;
    }

    /// @inheritdoc IDesk
    function unbondingDelay() external view returns (uint256) {
        return _delay;
    }

    /// @inheritdoc IDesk
    function account(address who) external view returns (Account memory) {
        return _participants[who].account();
    }

    /// @inheritdoc IDesk
    function history(address who) external view returns (History memory) {
        return _participants[who].history();
    }

    /// @inheritdoc IDesk
    function pendingRelease(address who) external view returns (Release memory) {
        return _participants[who].release;
    }

    /// @inheritdoc IDesk
    function seatCount() external view returns (uint256) {
        return _seats.length;
    }

    /// @inheritdoc IDesk
    function seat(uint256 index) external view returns (Seat memory) {
        return _seats.seats[index];
    }

    /// @inheritdoc IDesk
    function task(bytes32 id) external view returns (TaskParams memory) {
        return _tasks[id];
    }

    /// @inheritdoc IDesk
    function hashTerms(Terms calldata terms) external view returns (bytes32) {
        return _hashTerms(terms);
    }

    /// @inheritdoc IDesk
    function hashReport(Report calldata report) external view returns (bytes32) {
        return _hashReport(report.encounter, report.reporter, report.result, report.secret, report.previous);
    }

    /// @inheritdoc IDesk
    function hashVote(Vote calldata vote) external view returns (bytes32) {
        return _hashVote(vote.encounter, vote.validator, vote.seed, vote.result, vote.accept);
    }

    /* INTERNAL */

    function _requireTask(bool valid, string memory name, uint256 value) private pure {
        if (!valid) revert InvalidTask(name, value);
    }
}
